"""How soon many different agents run that were started one by one at the same moment, and when they have ended."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from agents.models import AgentVersion
from batches.models import Attempt, Run
from batches.runs import start_run
from batches.states import TERMINAL_RUN_STATES, RunState
from tests.support.waiting import wait_for

from .figure import Figure, spread
from .rig.case import Size
from .rig.meter import Meter
from .rig.rig import Rig
from .rig.work import Work, row_text

RUN_SECONDS = 5.0
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Launch:
    """Seconds from before the first was started until all were handed in, the last one ran, and the last one ended.

    `together` is how many were running at the moment when the last one began.
    """

    handed_in: float
    running: float
    ended: float
    together: int
    succeeded: int


def run(rig: Rig, size: Size) -> Iterator[Figure]:
    """Yield the figures of `size.repeats` launches of `size.rows` agents on two workers."""
    work = Work(rig.folder)
    versions = [work.agent(f"agent-{number}", seconds=RUN_SECONDS) for number in range(size.rows)]
    with rig.workers() as workers:
        work.warm_up(work.agent("warm"))
        with Meter(workers.pids) as meter:
            launches = [launch(work, versions) for _ in range(size.repeats)]
    yield Figure("all handed in after", spread([one.handed_in for one in launches], "s"))
    yield Figure("all running after", spread([one.running for one in launches], "s"), "2 s")
    yield Figure(f"all ended after (ideal {RUN_SECONDS:g} s)", spread([one.ended for one in launches], "s"))
    yield Figure("succeeded", f"{sum(one.succeeded for one in launches)} of {size.rows * size.repeats}")
    yield Figure("workers' CPU a run", f"{1000 * meter.cpu_seconds / size.rows / size.repeats:.2f} ms")
    yield Figure("workers' memory (PSS)", f"{meter.peak_pss_mb:.0f} MB", "300 MB")


def launch(work: Work, versions: Sequence[AgentVersion]) -> Launch:
    """Start a run of each version, each in a transaction of its own, and wait until all have ended."""
    started = timezone.now()
    ids = [start_run(work.user, version, {"text": row_text(index)}).pk for index, version in enumerate(versions)]
    handed_in = timezone.now()
    left = Run.objects.filter(pk__in=ids).exclude(state__in=TERMINAL_RUN_STATES)
    wait_for(lambda: not left.exists(), PATIENCE_SECONDS, f"{len(ids)} single runs")
    return _measured(ids, started, handed_in)


def _measured(ids: Sequence[int], started: datetime, handed_in: datetime) -> Launch:
    # The worker's clock, just before the provider is called; it is this machine's.
    times = list(Attempt.objects.filter(run__in=ids).values_list("started_at", "finished_at"))
    last_began = max(began for began, _ in times)
    return Launch(
        handed_in=(handed_in - started).total_seconds(),
        running=(last_began - started).total_seconds(),
        ended=(max(ended for _, ended in times) - started).total_seconds(),
        together=sum(1 for _, ended in times if ended > last_began),
        succeeded=Run.objects.filter(pk__in=ids, state=RunState.SUCCEEDED).count(),
    )
