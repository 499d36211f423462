"""A million lines through `/v1`: how soon create answers, what checking them takes, and whether memory stays flat."""

from collections.abc import Iterator

from tests.support.web_server import WebServer

from .api_passage import ApiBatches, ApiPassage
from .figure import Figure
from .rig.api import token_of
from .rig.case import Size
from .rig.meter import MB, Meter
from .rig.rig import Rig
from .rig.rows import write_chats
from .rig.work import Work
from .throughput import valkey_memory

PATIENCE_SECONDS = 1_500.0
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
# What makes a line of 200 bytes.
FILLER = "one of very many short rows"


def run(rig: Rig, size: Size, *, filler: str = FILLER) -> Iterator[Figure]:
    """Yield the figures of one batch of `size.rows` lines for an agent on the simulated provider, which takes 0 s.

    Each line asks for an answer to its number and `filler`.
    """
    work = Work(rig.folder)
    version = work.agent("echo")
    source = write_chats(
        rig.folder / "rows.jsonl", size.rows, f"agent:{version.agent.slug}", lambda index: f"{index} {filler}"
    )
    target = rig.folder / "output.jsonl"
    with rig.workers() as workers, WebServer(rig.worker_env()) as web:
        api = ApiBatches(web, token_of(work.user))
        api.warm_up(rig.folder, f"agent:{version.agent.slug}")
        with Meter([web.pid]) as web_meter, Meter(workers.pids) as meter:
            passage = api.pass_through(source, target, size.rows, patience=PATIENCE_SECONDS)
    yield Figure("file", f"{source.stat().st_size / MB:,.0f} MB; output {target.stat().st_size / MB:,.0f} MB")
    yield from _times(passage, size.rows)
    yield Figure("web's growth (PSS)", f"{web_meter.growth_mb:.0f} MB", "100 MB")
    yield Figure("web's CPU", f"{web_meter.cpu_seconds:.0f} s")
    yield Figure("workers' CPU a row, checking included", f"{1000 * meter.cpu_seconds / size.rows:.2f} ms")
    course = ", ".join(f"{meter.pss_mb_at(share):.0f}" for share in SHARES)
    yield Figure("workers' memory (PSS) at 0, 25, 50, 75, 100% of the time", f"{course} MB", "flat")
    yield Figure("workers' highest memory (PSS)", f"{meter.peak_pss_mb:.0f} MB", "256 MB")
    yield valkey_memory()


def _times(passage: ApiPassage, rows: int) -> Iterator[Figure]:
    yield Figure("upload", f"{passage.uploaded:.1f} s")
    yield Figure("create answered after", f"{1000 * passage.created:.0f} ms", "200 ms")
    yield Figure("input checked after", f"{passage.validated:.0f} s ({rows / passage.validated:,.0f} lines/s)")
    yield Figure("run", f"{passage.ran:.0f} s ({rows / passage.ran:,.0f} runs/s)")
    yield Figure("output read", f"{passage.read:.0f} s ({rows / passage.read:,.0f} lines/s)")
    yield Figure("rows/s from file to file", f"{rows / passage.whole:,.0f} rows/s")
