"""A task's log lines carry its id and that of the request that published it, through a real message."""

from typing import Any

import pytest
from celery import Celery
from celery.worker.request import Request
from structlog.contextvars import bound_contextvars, get_contextvars

from workers import logs_celery

QUEUE = "logs-test"


@pytest.fixture
def app() -> Celery:
    """A Celery application of its own, with a broker in memory."""
    logs_celery.connect()
    app = Celery("logs-test", broker="memory://", set_as_current=False)
    app.conf.task_default_queue = QUEUE
    return app


def execute_next(app: Celery) -> str:
    """Take the next message and run its task, as a worker's pool does; gives the task's id."""
    with app.connection_for_read() as connection, connection.SimpleQueue(QUEUE) as queue:
        request = Request(queue.get(timeout=5), app=app)
        request.execute()
    return request.id


def test_task_and_request_are_bound_while_a_task_runs_and_not_longer(app: Celery):
    seen: list[dict[str, Any]] = []

    @app.task(name="logs-test.look")
    def look() -> None:
        seen.append(dict(get_contextvars()))

    with bound_contextvars(request_id="r-42"):
        look.delay()
    look.delay()

    first, second = execute_next(app), execute_next(app)

    assert seen[0] == {"task_id": first, "task": "logs-test.look", "request_id": "r-42"}
    assert seen[1] == {"task_id": second, "task": "logs-test.look"}
    assert get_contextvars() == {}
