"""What waits on Celery's queues."""

from batches.publishing import outbox, queue_length


def messages_on(queue: str) -> int:
    """Return how many messages wait on `queue`, after all that was published so far has been sent."""
    assert outbox.flush(), "the outbox did not empty itself"
    return queue_length(queue)
