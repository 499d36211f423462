"""The Celery application. `celery -A arboretum worker` starts a worker that serves every queue."""

import os
import sys
from typing import Any

from celery import Celery
from celery.signals import celeryd_init
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arboretum.settings")
# Celery would run every check, import every page for it, and ignore what they find; see below.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

TRANSPORT_ALIASES.update(redis="workers.broker:Transport", rediss="workers.broker:Transport")
app = Celery("arboretum", task_cls="workers.tasks:BaseTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_init.connect
def refuse_broken_configuration(**kwargs: Any) -> None:
    """Let no worker start on a configuration that the system checks refuse, or on a database without our tables."""
    from workers.database import refuse_unmigrated
    from workers.errors import ServerUnavailable

    from .checks import stop_if_misconfigured

    stop_if_misconfigured()
    try:
        refuse_unmigrated()
    except ServerUnavailable as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None
