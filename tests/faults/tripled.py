"""Every message is delivered three times: each one that this process publishes is followed by two copies of itself.

Workers load this module by `--include`; a program connects by importing it.
"""

from typing import Any

from celery import current_app
from celery.signals import after_task_publish, task_received

from workers.redis import connection

COPIES = 2
MARK = "arboretum_copy"
DELIVERIES = "faults:deliveries"


@after_task_publish.connect(weak=False)
def publish_copies(sender: str, body: Any, headers: dict[str, Any] | None = None, **kwargs: Any) -> None:
    """Publish the message twice more, under the same task id, as a broker does that delivers again."""
    if headers is None or headers.get(MARK):
        return
    arguments, keywords = body[0], body[1]
    for _ in range(COPIES):
        current_app.send_task(
            sender, args=arguments, kwargs=keywords, task_id=headers["id"], headers={MARK: 1}, ignore_result=True
        )


@task_received.connect(weak=False)
def count_delivery(request: Any, **kwargs: Any) -> None:
    """Count how often each message has reached a worker."""
    connection().hincrby(DELIVERIES, request.id, 1)


def deliveries() -> list[int]:
    """Return how often each message has reached a worker so far."""
    return [int(count) for count in connection().hvals(DELIVERIES)]
