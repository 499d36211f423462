"""Publishing: the one place that puts hints for workers on the queues, always after the commit.

A message only says "look at this row". One that is lost is published again by maintenance; one too many finds nothing.
So messages leave through an outbox: a broker that does not answer is logged and left to maintenance, makes nobody wait
and fails nothing that was committed.
"""

import threading
from collections.abc import Iterable, Sequence
from contextlib import nullcontext

import structlog
from celery import current_app
from django.db import transaction
from redis.exceptions import RedisError

from workers.outbox import Outbox
from workers.presence import live_workers
from workers.redis import connection as redis_connection

log = structlog.get_logger(__name__)
outbox = Outbox()
_lock = threading.Lock()
_offered: list[tuple[str, int]] = []

EXECUTE_RUN = "batches.execute_run"
EXECUTE_LEASE = "batches.execute_lease"
FINALIZE_BATCH = "batches.finalize_batch"
SEND_WEBHOOKS = "batches.send_webhooks"
READ_INPUT = "batches.read_input"
CANCEL_BATCH = "batches.cancel_batch"
# The last is Celery's own: it deletes expired task results.
HOUSEKEEPING = ("batches.prune", "batches.prune_files", "celery.backend_cleanup")
# Fewer rows than this are not worth a second process' lease.
ROWS_WORTH_A_LEASE = 50
# With so many waiting the broker has been away for long; further ones tell nothing that maintenance would not.
MOST_OFFERED = 10_000


def publish_runs(run_ids: Iterable[int]) -> None:
    """Offer single runs to the workers, after the commit."""
    _after_commit([(EXECUTE_RUN, run_id) for run_id in run_ids])


def publish_leases(batch_id: int, count: int) -> None:
    """Offer a batch to the workers `count` times, after the commit; each message lets one process take a lease."""
    _after_commit([(EXECUTE_LEASE, batch_id)] * count)


def lease_messages_wanted(rows: int) -> int:
    """Return how many processes should work on a batch with `rows` rows left: all live ones, if there are enough."""
    workers = len(batch_worker_names())
    return max(1, min(workers, -(-rows // ROWS_WORTH_A_LEASE)))


def batch_worker_names() -> set[str]:
    """Return the names of the live processes that take batches; none are known where Redis does not answer."""
    try:
        return {worker.name for worker in live_workers("batch")}
    except RedisError:
        return set()


def queue_length(queue: str) -> int:
    """Return how many messages wait on a queue. Raises redis.RedisError where Redis does not answer."""
    return int(redis_connection().llen(queue))


def publish_finalize(batch_id: int) -> None:
    """Have a batch wound up, after the commit."""
    _after_commit([(FINALIZE_BATCH, batch_id)])


def publish_webhooks(endpoint_ids: Iterable[int]) -> None:
    """Have what is due sent to these webhooks' endpoints, after the commit."""
    _after_commit([(SEND_WEBHOOKS, endpoint_id) for endpoint_id in sorted(endpoint_ids)])


def publish_reading(batch_ids: Iterable[int]) -> None:
    """Have the inputs of batches read, after the commit."""
    _after_commit([(READ_INPUT, batch_id) for batch_id in batch_ids])


def publish_cancel(batch_id: int) -> None:
    """Have the rows of a batch that is being cancelled ended, after the commit."""
    _after_commit([(CANCEL_BATCH, batch_id)])


def publish_housekeeping() -> None:
    """Have the housekeeping tasks run; their results are kept."""
    outbox.put(_send_housekeeping)


def _send_housekeeping() -> None:
    for name in HOUSEKEEPING:
        current_app.send_task(name, ignore_result=False)


def publish_lease_now(batch_id: int) -> None:
    """Offer a batch to the workers once, from where no transaction is open; never waits."""
    outbox.put(lambda: _send([(EXECUTE_LEASE, batch_id)]))


def _after_commit(messages: list[tuple[str, int]]) -> None:
    transaction.on_commit(lambda: _offer(messages))


def _offer(messages: list[tuple[str, int]]) -> None:
    """Have messages sent soon: those that come while others are being sent leave together."""
    with _lock:
        if len(_offered) + len(messages) > MOST_OFFERED:
            log.warning("outbox_full", waiting=len(_offered))
            return
        _offered.extend(messages)
    outbox.put(_send_offered)


def _send_offered() -> None:
    with _lock:
        messages = _offered[:]
        _offered.clear()
    if messages:
        _send(messages)


def _send(messages: Sequence[tuple[str, int]]) -> None:
    with current_app.producer_or_acquire() as producer, producer.batch() if len(messages) > 1 else nullcontext():
        for name, row_id in messages:
            current_app.send_task(name, args=(row_id,), producer=producer, retry=False, ignore_result=True)
