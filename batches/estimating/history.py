"""How long an agent's answers were: its earlier runs that succeeded."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from statistics import fmean, pstdev

from agents.models import AgentVersion
from batches.models import Batch, Run, RunQuerySet
from batches.states import RunState
from credentials.models import User

# The latest batches are looked at, each from its first row on, until there are enough rows.
MOST_BATCHES = 10
MOST_ROWS = 2_000
LEAST_ROWS = 10


@dataclass(frozen=True, slots=True)
class History:
    """Answers of earlier runs: mean and spread (standard deviation) of their tokens, and the mean seconds of a run."""

    runs: int
    tokens: float
    spread: float
    seconds: float | None


def history_of(user: User, versions: Collection[AgentVersion]) -> History | None:
    """Return what is known of runs of `versions` that `user` may see, None where there are fewer than 10.

    Answers from the store of answers do not count: nobody wrote them.
    """
    rows = list(islice(_rows(user, versions), MOST_ROWS))
    if len(rows) < LEAST_ROWS:
        return None
    tokens = [output for output, _ in rows]
    latencies = [latency / 1000 for _, latency in rows if latency is not None]
    return History(len(rows), fmean(tokens), pstdev(tokens), fmean(latencies) if latencies else None)


def _rows(user: User, versions: Collection[AgentVersion]) -> Iterator[tuple[int, int | None]]:
    batches = Batch.objects.visible_to(user).filter(agent_version__in=versions, succeeded__gt=0).order_by("-id")
    for batch_id in list(batches.values_list("pk", flat=True)[:MOST_BATCHES]):
        yield from _read(Run.objects.of_batch(batch_id).filter(agent_version__in=versions).order_by("id"))
    yield from _read(Run.objects.singles().visible_to(user).filter(agent_version__in=versions).order_by("-id"))


def _read(rows: RunQuerySet) -> list[tuple[int, int | None]]:
    answered = rows.filter(state=RunState.SUCCEEDED, is_cached=False)
    return list(answered.values_list("output_tokens", "latency_ms")[:MOST_ROWS])
