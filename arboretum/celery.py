"""The Celery application. `celery -A arboretum worker` starts a worker that serves every queue."""

import os
from typing import Any

from celery import Celery
from celery.signals import celeryd_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arboretum.settings")
# Celery would run every check, import every page for it, and ignore what they find; see below.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("arboretum", task_cls="workers.tasks:BaseTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_init.connect
def refuse_broken_configuration(**kwargs: Any) -> None:
    """Let no worker start on a configuration that the system checks refuse."""
    from .checks import stop_if_misconfigured

    stop_if_misconfigured()
