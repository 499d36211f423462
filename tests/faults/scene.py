"""Where a fault is injected: a counting provider server, a batch through it, and workers."""

import itertools
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from batches.models import Batch, Run
from batches.runs import start_run
from batches.states import TERMINAL_RUN_STATES, RunState
from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig
from tests.benchmarks.rig.work import Work, row_text, seconds_to_end
from tests.support.provider_server import ProviderServer
from tests.support.waiting import wait_for
from tests.support.worker_harness import Workers

from .audit import Audit, audit
from .check import Check, Injection
from .limits import CALL_SECONDS, SceneLimit

WORKERS = 2
PROGRESS_SECONDS = 240.0
_singles = itertools.count()


@dataclass(frozen=True, slots=True)
class Scene:
    """A batch that is ready to start, workers that are warm, and a server that has counted nothing yet."""

    rig: Rig
    work: Work
    server: ProviderServer
    workers: Workers
    batch: Batch

    def start(self) -> None:
        """Start the batch."""
        self.work.manager.start(self.batch)

    def done(self) -> int:
        """Return how many rows have ended, by the batch's counts."""
        self.batch.refresh_from_db()
        return self.batch.done

    def wait_for_share(self, share: float) -> None:
        """Wait until this share of the rows has ended."""
        wanted = share * self.batch.total
        wait_for(lambda: self.done() >= wanted, PROGRESS_SECONDS, f"{share:.0%} of the rows")

    def start_singles(self, number: int) -> list[int]:
        """Start single runs one by one, each with a text of its own; return their ids."""
        texts = [f"Single {row_text(next(_singles))}" for _ in range(number)]
        return [start_run(self.work.user, self.batch.agent_version, {"text": text}).pk for text in texts]

    def audit(self, *, singles: int = 0) -> Audit:
        """Return what became of the batch; `singles` of the provider's calls were not for it."""
        return audit(self.rig, self.batch, self.server.stats()["received"] - singles)

    def ended(self, injection: Injection, what: str, seconds: float) -> Check:
        """Return the check that the batch has ended `seconds` from now; waits for it."""
        return injection.at_most(what, seconds_to_end(self.batch, seconds), seconds)

    def singles_ended(self, injection: Injection, singles: list[int], deadline: float, seconds: float) -> Check:
        """Return the check that single runs have succeeded by `deadline` (monotonic), told as within `seconds`."""
        rows = Run.objects.filter(pk__in=singles)
        while rows.exclude(state__in=TERMINAL_RUN_STATES).exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        succeeded = rows.filter(state=RunState.SUCCEEDED).count()
        expected = f"{len(singles)} single runs succeeded within {seconds:g} s"
        return injection.expect(expected, str(succeeded), succeeded == len(singles))


def lasting(seconds: float, size: Size, slots: int) -> float:
    """Return the seconds that a call has to take for the batch to last `seconds` with all slots in use.

    Below CALL_SECONDS nothing would be in flight when the fault comes.
    """
    return max(CALL_SECONDS, seconds * WORKERS * slots / size.rows)


@contextmanager
def set_scene(
    rig: Rig,
    size: Size,
    *,
    slots: int = 50,
    call_seconds: float = CALL_SECONDS,
    limit: SceneLimit | None = None,
    agent: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    warm_rows: int = 100,
    **harness: Any,
) -> Iterator[Scene]:
    """Give a scene with a batch of `size.rows` rows on two workers, `slots` rows at a time in each.

    `limit` is the model's, which the server enforces from the warm-up (of `warm_rows` rows) on; `agent` are fields of
    its version; `env` adds to the workers' environment; `harness` are options of the worker harness.
    """
    variables = {**rig.worker_env(), **(env or {})}
    with ProviderServer() as server, Workers(WORKERS, env=variables, slots=slots, **harness) as workers:
        work = Work(rig.folder, server)
        version = work.agent("echo", **{**(limit.agent if limit else {}), **(agent or {})})
        if limit is not None:
            work.limit(version.model, **{limit.name: limit.number})
            server.configure(**limit.server)
        work.warm_up(version, warm_rows)
        batch = work.batch(version, size.rows)
        server.reset()
        server.configure(latency=call_seconds)
        yield Scene(rig, work, server, workers, batch)
