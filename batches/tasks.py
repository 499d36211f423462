"""The tasks: each loads nothing, takes ids, and calls one service. Each may safely run twice."""

from celery import shared_task
from django.db import connections

from .execution.cancelling import go_on_cancelling
from .execution.finalizing import finalize_batch as settle_batch
from .execution.host import host
from .execution.lease_loop import run_lease
from .files.services import prune_files
from .housekeeping import prune
from .openai_api.batch.measuring import measure_files
from .reading.task import read_inputs


@shared_task(name="batches.execute_run")
def execute_run(run_id: int) -> None:
    """Execute a single run, if it is still queued."""
    host().wait(host().run_single(run_id))


@shared_task(name="batches.execute_lease")
def execute_lease(batch_id: int) -> None:
    """Take a lease on a batch and execute rows of it until none is due or the turn is over."""
    host().wait(run_lease(host(), batch_id))


@shared_task(name="batches.finalize_batch")
def finalize_batch(batch_id: int) -> None:
    """Wind a batch up, if all its rows have ended."""
    if measure_files(batch_id):
        host().wait(host().engine.run_db(settle_batch, batch_id))


@shared_task(name="batches.read_input")
def read_input(batch_id: int) -> None:
    """Read the input of a batch of requests, and start it."""
    read_inputs(batch_id, lambda: host().is_draining)


@shared_task(name="batches.cancel_batch")
def cancel_batch(batch_id: int) -> None:
    """Cancel what is left of a batch that is being cancelled."""
    go_on_cancelling(batch_id)


@shared_task(name="batches.send_webhooks")
def send_webhooks(endpoint_id: int) -> None:
    """Begin to send an endpoint what is due; it goes on in the process' loop, and no thread waits for a receiver."""
    host().wait(host().webhooks.begin(endpoint_id))


@shared_task(name="batches.prune", ignore_result=False)
def prune_old() -> dict[str, int]:
    """Delete what nobody needs any more; the counts stay readable in the task's result."""
    return host().wait(host().engine.run_db(prune))


@shared_task(name="batches.prune_files", ignore_result=False)
def prune_old_files() -> int:
    """Remove expired and orphaned files. In this thread: a storage may take long, and runs need the others."""
    try:
        return prune_files()
    finally:
        connections.close_all()
