"""Where a fault is injected: a counting provider server, a batch through it, and workers."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from batches.models import Batch
from batches.runs import start_run
from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig
from tests.benchmarks.rig.work import Work, row_text
from tests.support.provider_server import ProviderServer
from tests.support.waiting import wait_for
from tests.support.worker_harness import Workers

CALL_SECONDS = 0.2
PROGRESS_SECONDS = 60.0
_singles = itertools.count()


@dataclass(frozen=True, slots=True)
class Scene:
    """A batch that is ready to start, workers that are warm, and a server that has counted nothing yet."""

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


@contextmanager
def set_scene(
    rig: Rig,
    size: Size,
    *,
    slots: int = 50,
    grace_seconds: float = 10.0,
    call_seconds: float = CALL_SECONDS,
    arguments: tuple[str, ...] = (),
) -> Iterator[Scene]:
    """Give a scene with a batch of `size.rows` rows on two workers, `slots` rows at a time in each."""
    with (
        ProviderServer() as server,
        rig.workers(2, slots=slots, grace_seconds=grace_seconds, arguments=arguments) as workers,
    ):
        work = Work(rig.folder, server)
        version = work.agent("echo")
        work.warm_up(version, 100)
        batch = work.batch(version, size.rows)
        server.reset()
        server.configure(latency=call_seconds)
        yield Scene(work, server, workers, batch)
