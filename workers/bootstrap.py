"""What a Celery worker needs before it connects: `celery -A arboretum worker` alone starts from nothing."""

from typing import Any

from celery.signals import celeryd_init

from .allocator import give_back_large_blocks
from .database import end_idle_transactions
from .embedded.valkey import ensure_redis


@celeryd_init.connect(dispatch_uid="arboretum-ensure-redis")
def start_redis(**kwargs: Any) -> None:
    """Start the embedded Valkey where no Redis was given and none runs. Raises ServerUnavailable."""
    ensure_redis()


@celeryd_init.connect(dispatch_uid="arboretum-idle")
def leave_no_locks(**kwargs: Any) -> None:
    """Have what a frozen worker has locked be free again soon."""
    end_idle_transactions()


@celeryd_init.connect(dispatch_uid="arboretum-memory")
def set_memory(**kwargs: Any) -> None:
    """Have the worker give back what large answers took."""
    give_back_large_blocks()
