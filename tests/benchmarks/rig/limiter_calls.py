"""How often worker processes call the limiter's scripts in Redis."""

import threading
import uuid
from types import TracebackType
from typing import Any, Self

import redis
from django.conf import settings

from workers.redis import connection

KEY_PREFIX = "arboretum:limit:"


class LimiterCalls:
    """`with LimiterCalls() as calls: ...`; after it `calls.number` is how many there were meanwhile.

    Read from MONITOR, since INFO's counts of scripts mix the limiter with presence and with Celery's own locks.
    """

    def __init__(self) -> None:
        """Count nothing yet."""
        self.number = 0
        self._end = f"end-{uuid.uuid4().hex}"
        self._watching = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Begin; returns once the server reports commands. Raises RuntimeError where it does not."""
        self._thread.start()
        if not self._watching.wait(10):
            raise RuntimeError("Redis does not let itself be monitored")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop counting: all that came before is counted, nothing that comes later."""
        connection().echo(self._end)
        self._thread.join(10)

    def _watch(self) -> None:
        client = redis.Redis.from_url(settings.REDIS_URL, protocol=2)
        with client.monitor() as monitor:
            self._watching.set()
            for entry in monitor.listen():
                if self._end in entry["command"]:
                    break
                self.number += is_limiter_call(entry)
        client.close()


def is_limiter_call(entry: dict[str, Any]) -> bool:
    """Tell whether an entry of MONITOR is the call of a script on the limiter's keys, not a command within one."""
    name, _, rest = entry["command"].partition(" ")
    return name.upper() in ("EVAL", "EVALSHA") and KEY_PREFIX in rest and entry["client_type"] != "lua"
