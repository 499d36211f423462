"""Celery's consumer, which tells monitors what happened a few times a second, not after every task.

Celery keeps task events back until its loop is free and then sends them, which with small tasks is once a task: an
eighth of what a single run cost the worker. Flower looks no more often than it is told here.
"""

from collections.abc import Callable
from typing import Any

from celery.worker import consumer

EVENTS_SECONDS = 0.25


class Consumer(consumer.Consumer):
    """The consumer of `CELERY_WORKER_CONSUMER`."""

    _is_flush_due = False

    hub: Any
    _flush_events: Callable[[], None]

    def on_send_event_buffered(self) -> None:  # type: ignore[override]
        """Send what is kept back within EVENTS_SECONDS. Called from task threads, too."""
        if self.hub and not self._is_flush_due:
            self._is_flush_due = True
            self.hub.call_soon(self._set_timer)

    def _set_timer(self) -> None:
        self.hub.call_later(EVENTS_SECONDS, self._tell)

    def _tell(self, *args: Any) -> None:
        self._is_flush_due = False
        self._flush_events()
