"""Who works: live workers and what they serve, and batches that nobody works on."""

from collections.abc import Iterator

from django.conf import settings
from django.db.models.functions import Now

from batches.execution.claims import due_rows, runnable_batches
from batches.execution.pilots import pilot_reason
from batches.models import Batch, Lease
from batches.states import BatchState
from workers.code import code_fingerprint
from workers.presence import WorkerPresence, live_workers

from .findings import Finding, Level, ok, problem, warning

# A worker speaks every 2 s and counts as gone after 15.
SILENT_SECONDS = 7.0
START = "Start one: .venv/bin/celery -A arboretum worker"
NAMED = 10
# Whoever ran a pilot means to decide about the rest.
PILOT = pilot_reason(0).partition("0")[0]


def look_at_workers() -> Iterator[Finding]:
    """Live worker processes, whether each queue is served, whether their code is that on disk."""
    workers = live_workers()
    if not workers:
        yield warning("No worker is running: nothing that is started will be done.", START)
        return
    for queue in sorted({queue.name for queue in settings.CELERY_TASK_QUEUES}):
        if not any(worker.serves(queue) for worker in workers):
            yield problem(f"No worker serves the queue {queue}.", f"{START} -Q {queue}", queue=queue)
    yield from _other_code(workers)
    heard = max(worker.heard_at for worker in workers if worker.heard_at) if any(w.heard_at for w in workers) else None
    for worker in workers:
        silent = (heard - worker.heard_at).total_seconds() if heard and worker.heard_at else 0.0
        if silent >= SILENT_SECONDS:
            yield warning(f"{worker.name} has been silent for {silent:.0f} s.", "Look whether it hangs; its log says.")
    busy, slots = sum(worker.busy for worker in workers), sum(worker.slots for worker in workers)
    number = "1 worker" if len(workers) == 1 else f"{len(workers):,} workers"
    yield ok(f"{number}, {busy:,} of {slots:,} slots busy.", workers=[worker.name for worker in workers])


def _other_code(workers: list[WorkerPresence]) -> Iterator[Finding]:
    here = code_fingerprint()
    other = [worker.name for worker in workers if worker.code not in (None, here)]
    if other:
        text = f"Other code than this command's runs in: {', '.join(other[:NAMED])}."
        yield warning(text, "Restart them, or update this machine's code.", other=other)


def look_at_batches() -> Iterator[Finding]:
    """Running batches with rows to do that no process has in hand, and batches that were paused for a fault."""
    running = list(runnable_batches())
    live = Lease.objects.filter(released_at=None, expires_at__gt=Now(), batch__in=running)
    at_work = set(live.values_list("batch", flat=True))
    idle = [batch for batch in running if batch.pk not in at_work and due_rows(batch.pk).exists()]
    for batch in idle[:NAMED]:
        yield Finding(
            Level.PROBLEM,
            f"Nobody works on batch {batch.pk} ({batch}): {batch.remaining:,} rows are left.",
            f"{START}; or: python manage.py batches watch {batch.pk} --start-workers",
            {"batch": batch.pk},
        )
    paused = Batch.objects.filter(state=BatchState.PAUSED).exclude(state_reason="")
    for batch in paused.exclude(state_reason__startswith=PILOT).order_by("-pk")[:NAMED]:
        yield warning(
            f"Batch {batch.pk} ({batch}) is paused, {batch.remaining:,} rows are left: {batch.state_reason}",
            f"Then: python manage.py batches resume {batch.pk}",
            batch=batch.pk,
        )
    if not idle:
        yield ok(f"Running batches, all at work: {len(running):,}." if running else "No batch is running.")
