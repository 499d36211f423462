"""Celery's part of the logs: ids of the task and of the request that published it are bound while a task runs."""

import logging.config
from typing import Any

from celery import Task, signals
from django.conf import settings
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

REQUEST_ID = "request_id"


def connect() -> None:
    """Listen to Celery's signals; safe to call more than once."""
    signals.setup_logging.connect(_use_our_logging, dispatch_uid="logs.setup")
    signals.before_task_publish.connect(_send_request_id, dispatch_uid="logs.publish")
    signals.task_prerun.connect(_bind, dispatch_uid="logs.prerun")
    signals.task_postrun.connect(_unbind, dispatch_uid="logs.postrun")


def _use_our_logging(**kwargs: Any) -> None:
    # A receiver of this signal keeps Celery from setting up loggers of its own.
    logging.config.dictConfig(settings.LOGGING)


def _send_request_id(headers: dict[str, Any] | None = None, **kwargs: Any) -> None:
    request_id = get_contextvars().get(REQUEST_ID)
    if headers is not None and request_id:
        headers[REQUEST_ID] = request_id


def _bind(task_id: str, task: "Task[Any, Any]", **kwargs: Any) -> None:
    clear_contextvars()
    bind_contextvars(task_id=task_id, task=task.name)
    if request_id := task.request.get(REQUEST_ID):
        bind_contextvars(**{REQUEST_ID: request_id})


def _unbind(**kwargs: Any) -> None:
    clear_contextvars()
