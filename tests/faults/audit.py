"""Proof that nothing was lost and nothing happened twice: from the exported file, the rows, the logs, the provider."""

from collections import Counter
from dataclasses import dataclass

import orjson
from django.db.models import Count

from batches.models import Attempt, Batch, Run
from batches.results import BatchResults
from batches.states import TERMINAL_RUN_STATES
from tests.benchmarks.rig.rig import Rig
from tests.benchmarks.rig.work import row_id, row_text
from tests.support.provider_server import ProviderServer

from .check import Check, Injection
from .finished import completions


@dataclass(frozen=True, slots=True)
class Audit:
    """What is true of a batch after a fault. `calls` is how often the provider was called for it."""

    total: int
    right: int
    stuck: int
    doubled: int
    completions: int
    state: str
    attempts: dict[str, int]
    calls: int = 0

    @property
    def recorded(self) -> int:
        """How many attempts are recorded."""
        return sum(self.attempts.values())

    @property
    def is_whole(self) -> bool:
        """Every row has its own right result, once, the batch was completed once, and no call is unrecorded."""
        return self.is_sound and self.right == self.total

    @property
    def is_sound(self) -> bool:
        """The same, where rows were meant to fail."""
        wrong = (self.stuck, self.doubled, max(0, self.calls - self.recorded))
        return wrong == (0, 0, 0) and self.completions == 1 and self.state == "completed"

    def __str__(self) -> str:
        return (
            f"{self.right:,} of {self.total:,} right, {self.stuck} stuck, {self.doubled} with two successes; "
            f"{self.state}, {self.completions} completion(s); {self.calls:,} calls, {self.recorded:,} attempts"
        )


def audit(rig: Rig, batch: Batch, calls: int = 0) -> Audit:
    """Return what became of every row of `batch`, whose rows came from `write_csv`, with the provider's `calls`."""
    batch.refresh_from_db()
    rows = Run.objects.of_batch(batch.pk)
    attempts = Attempt.objects.filter(run__in=rows).order_by()
    succeeded = attempts.filter(outcome="succeeded").values("run").annotate(number=Count("pk"))
    return Audit(
        total=batch.total,
        right=_right_records(rig, batch),
        stuck=rows.exclude(state__in=TERMINAL_RUN_STATES).count(),
        doubled=succeeded.filter(number__gt=1).count(),
        completions=completions(rig.folder, batch.pk),
        state=batch.state,
        attempts=dict(Counter(attempts.values_list("outcome", flat=True))),
        calls=calls,
    )


def _right_records(rig: Rig, batch: Batch) -> int:
    """Return how many lines of the exported file are in their place and hold the result of their own row."""
    target = rig.folder / f"results-{batch.pk}.jsonl"
    BatchResults(batch).export(target)
    with target.open("rb") as file:
        return sum(is_right(place, orjson.loads(line)) for place, line in enumerate(file))


def is_right(place: int, record: dict[str, object]) -> bool:
    """Return whether the record at `place` of a file is the success of row `place`, echoed by its own input."""
    found = (record["index"], record["custom_id"], record["status"], record["output"])
    return found == (place, row_id(place), "succeeded", row_text(place))


def whole(injection: Injection, found: Audit) -> Check:
    """Return the check I: nothing was lost or doubled."""
    expected = (
        f"I: all {found.total:,} rows right in order, 0 stuck, one success each, one completion, "
        "calls <= attempts recorded"
    )
    return injection.expect(expected, found, found.is_whole)


def calls(injection: Injection, found: Audit, server: ProviderServer, *, singles: int = 0) -> Check:
    """Return the check that the provider was called once for each row and single run, and no more."""
    stats = server.stats()
    wanted = found.total + singles
    measured = f"{stats['received']:,} calls, {stats['repeated_contents']} rows called again"
    return injection.expect(f"{wanted:,} calls, none twice", measured, stats["received"] == wanted)
