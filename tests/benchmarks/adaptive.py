"""How soon workers find out what an overloaded server bears, when nobody has told them a limit."""

from collections.abc import Iterator

from tests.support.provider_server import ProviderServer

from .figure import Figure
from .rig.case import Size
from .rig.rig import Rig
from .rig.work import Work, seconds_to_end

WORKERS = 2
SLOTS = 200
CALL_SECONDS = 0.3
CEILING = 100
PATIENCE_SECONDS = 150.0


def run(rig: Rig, size: Size) -> Iterator[Figure]:
    """Yield the figures of a batch of `size.rows` rows, with slots for four times as many calls as the server bears."""
    with ProviderServer(track_contents=False) as server, rig.workers(WORKERS, slots=SLOTS):
        work = Work(rig.folder, server)
        work.warm_up(work.agent("warm"))
        # Of a model that has not answered yet, and a server that says nothing but that it is overloaded.
        batch = work.batch(work.agent("overloading", model="fake-large"), size.rows)
        server.configure(latency=CALL_SECONDS, overload_above=CEILING, retry_after=None)
        server.reset()
        work.manager.start(batch)
        ran = seconds_to_end(batch, PATIENCE_SECONDS)
        stats = server.stats()
    ideal = size.rows * CALL_SECONDS / CEILING
    yield Figure("answered 503", f"{stats['overloaded']:,} of {stats['received']:,} calls")
    yield Figure("share of 503", f"{stats['overloaded'] / stats['received']:.1%}")
    yield Figure(f"run (ideal {ideal:g} s)", f"{ran:.1f} s" if ran else f"not ended, {batch.done:,} rows done")
    yield Figure("run / ideal", f"{ran / ideal:.2f} x" if ran else "")
    yield Figure("succeeded", f"{batch.succeeded:,} of {size.rows:,}")
