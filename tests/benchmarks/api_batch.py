"""What the API adds to a batch: the same rows by command, and through `/v1/files` and `/v1/batches`, in turn."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from agents.models import AgentVersion
from tests.support.provider_server import ProviderServer
from tests.support.web_server import WebServer
from tests.support.worker_harness import ROOT

from .api_passage import ApiBatches, ApiPassage
from .figure import Figure, spread
from .in_flight import CALL_SECONDS, WORKERS, warm_agent
from .rig.api import token_of
from .rig.case import Size
from .rig.meter import cpu_seconds
from .rig.rig import Rig
from .rig.rows import write_chats, write_csv
from .rig.work import Work
from .throughput import Passage, pass_through

SLOTS = 1_000
PATIENCE_SECONDS = 180.0


def run(rig: Rig, size: Size) -> Iterator[Figure]:
    """Yield the figures of `size.rows` rows of 2 s, 2,000 in flight, done in turn each way, `size.repeats` times."""
    with (
        ProviderServer(track_contents=False) as server,
        rig.workers(WORKERS, slots=SLOTS) as workers,
        WebServer(rig.worker_env()) as web,
    ):
        work = Work(rig.folder, server)
        version = warm_agent(work, WORKERS * SLOTS)
        ways = _Ways(rig, work, version, size.rows, ApiBatches(web, token_of(work.user)), [web.pid])
        for _ in range(size.repeats):
            ways.go_each(workers.pids)
        most = server.stats()["max_in_flight"]
    ideal = CALL_SECONDS * -(-size.rows // (WORKERS * SLOTS))
    yield from ways.figures(ideal)
    yield Figure("most in flight at the server", f"{most:,}")


class _Ways:
    """The same rows by command, by what the command calls, and through the API; what each took so far."""

    def __init__(
        self, rig: Rig, work: Work, version: AgentVersion, rows: int, api: ApiBatches, web: Sequence[int]
    ) -> None:
        self._rig, self._work, self._version, self._rows, self._api, self._web = rig, work, version, rows, api, web
        self._csv = write_csv(rig.folder / "rows.csv", rows)
        self._chats = write_chats(rig.folder / "rows.jsonl", rows, f"agent:{version.agent.slug}")
        api.warm_up(rig.folder, f"agent:{version.agent.slug}")
        self._commands: list[float] = []
        self._called: list[Passage] = []
        self._through: list[ApiPassage] = []
        self._web_cpu: list[float] = []
        self._workers_cpu: list[float] = []

    def go_each(self, workers: Sequence[int]) -> None:
        """Go each way once."""
        self._commands.append(self._by_command())
        self._called.append(pass_through(self._work, self._version, self._rows, list(workers)))
        web, busy = cpu_seconds(self._web), cpu_seconds(workers)
        target = self._rig.folder / "output.jsonl"
        self._through.append(self._api.pass_through(self._chats, target, self._rows, patience=PATIENCE_SECONDS))
        self._web_cpu.append(cpu_seconds(self._web) - web)
        self._workers_cpu.append(cpu_seconds(workers) - busy)
        assert _lines(target) == self._rows, "a row is missing in the output"

    def figures(self, ideal: float) -> Iterator[Figure]:
        """Yield what each way took; all three ideally take `ideal` seconds."""
        command, through = self._commands, [one.whole for one in self._through]
        called = [one.whole for one in self._called]
        yield Figure(f"by command, wall (ideal {ideal:g} s)", spread(command, "s"))
        yield Figure("what the command calls, from file to file", spread(called, "s"))
        yield Figure("through the API, wall", spread(through, "s"))
        yield Figure("upload", spread([one.uploaded for one in self._through], "s"))
        yield Figure("create answered after", spread([1000 * one.created for one in self._through], "ms", 0), "200 ms")
        yield Figure("input checked after", spread([one.validated for one in self._through], "s"))
        yield Figure("run", spread([one.ran for one in self._through], "s"))
        yield Figure("output read", spread([one.read for one in self._through], "s"))
        yield Figure("web's CPU", spread(self._web_cpu, "s"))
        workers_cpu = [1000 * seconds / self._rows for seconds in self._workers_cpu]
        yield Figure("workers' CPU a run through the API", spread(workers_cpu, "ms"))
        called_cpu = [1000 * one.cpu / self._rows for one in self._called]
        yield Figure("workers' CPU a run by command, while running", spread(called_cpu, "ms"))
        yield Figure("wall, API / command", f"{median(through) / median(command):.2f} x", "1.05 x")
        yield Figure("wall, API / what the command calls", f"{median(through) / median(called):.2f} x")

    def _by_command(self) -> float:
        output = str(self._rig.folder / "results.jsonl")
        command = [sys.executable, "manage.py", "batches", "run", self._version.agent.slug, str(self._csv)]
        begun = time.monotonic()
        subprocess.run(
            [*command, "--output", output, "--json"],
            cwd=ROOT,
            env=self._rig.worker_env(),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return time.monotonic() - begun


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)
