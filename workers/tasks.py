"""The base of every task."""

from typing import Any

from celery.contrib.django.task import DjangoTask


class BaseTask(DjangoTask[Any, Any]):
    """A task whose arguments are ids. Publish with `delay_on_commit`: no worker looks before the row is there."""

    abstract = True
