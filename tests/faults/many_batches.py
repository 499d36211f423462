"""Checks of many small batches that share a scene: each began soon, and each is whole at its end."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from django.db.models import Min

from batches.models import Batch, Run
from tests.benchmarks.rig.work import seconds_to_end

from .audit import audit
from .check import Check, Injection
from .scene import Scene

STARTED_SECONDS = 10.0
PATIENCE_SECONDS = 120.0


def started(injection: Injection, batches: Mapping[Batch, datetime]) -> Check:
    """Return the check of the seconds from each batch's time to the start of its first row, by the database's clock."""
    deadline = time.monotonic() + STARTED_SECONDS
    waits = [_seconds_to_start(batch, since, deadline) for batch, since in batches.items()]
    soon = [wait for wait in waits if wait is not None and wait <= STARTED_SECONDS]
    longest = max((wait for wait in waits if wait is not None), default=0.0)
    measured = f"{len(soon)} of {len(batches)}, {longest:.1f} s at most"
    expected = f"{len(batches)} of {len(batches)} batches start within {STARTED_SECONDS:g} s"
    return injection.expect(expected, measured, len(soon) == len(batches))


def _seconds_to_start(batch: Batch, since: datetime, deadline: float) -> float | None:
    """Return how long the first row waited; None where none has begun by `deadline` (monotonic)."""
    while True:
        first = Run.objects.of_batch(batch.pk).aggregate(first=Min("started_at"))["first"]
        if first is not None:
            seconds: float = (first - since).total_seconds()
            return seconds
        if time.monotonic() > deadline:
            return None
        time.sleep(0.1)


def ended(injection: Injection, scene: Scene, batches: Sequence[Batch]) -> Iterator[Check]:
    """Yield the check that every batch ends whole, and that each row was asked for once."""
    waits = [seconds_to_end(batch, PATIENCE_SECONDS) for batch in batches]
    found = [audit(scene.rig, batch) for batch in batches]
    whole = sum(1 for one in found if one.is_whole)
    right, total = sum(one.right for one in found), sum(one.total for one in found)
    recorded, received = sum(one.recorded for one in found), scene.server.stats()["received"]
    measured = f"{whole} batches, {right:,} rows right; {received:,} calls, {recorded:,} attempts"
    ok = whole == len(batches) and None not in waits and total == received <= recorded
    yield injection.expect(f"I: {len(batches)} batches whole, {total:,} rows right and calls", measured, ok)
