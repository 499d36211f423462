"""How much of the limits of two models one pool uses on four workers."""

from collections.abc import Iterator
from contextlib import ExitStack

from batches.models import Batch
from credentials.services import add_credential, set_model
from tests.support.provider_server import ProviderServer

from .figure import Figure
from .limits import CALL_SECONDS, LIMITS, MODEL, PATIENCE_SECONDS, WORKERS, share_used
from .rig.case import Size
from .rig.rig import Rig
from .rig.work import Work, seconds_to_end

LIMIT = LIMITS["requests"]
PER_MINUTE = (800, 400)


def run(rig: Rig, size: Size) -> Iterator[Figure]:
    """Yield the figures of a batch of `size.rows` rows over two servers of 800 and 400 requests a minute."""
    with ExitStack() as stack:
        servers = [stack.enter_context(ProviderServer(track_contents=False)) for _ in PER_MINUTE]
        stack.enter_context(rig.workers(WORKERS))
        batch, ran = _pass(Work(rig.folder, servers[0]), servers, size.rows)
        stats = [server.stats() for server in servers]
    yield Figure("refused (429)", " + ".join(f"{one['refused']:,}" for one in stats), "0")
    # Equal weights and unequal limits: what one may not start, the other does.
    used = [share_used(one[LIMIT.timeline], most) for one, most in zip(stats, PER_MINUTE, strict=True)]
    value = "it ended too soon to tell" if None in used else " and ".join(f"{share:.1%}" for share in used)
    yield Figure("used of each after the first 60 s", value, f"at least {LIMIT.aim:.0%}")
    answered = [one["completed"] for one in stats]
    yield Figure("answered by each", " + ".join(f"{number:,}" for number in answered))
    yield Figure("succeeded", f"{batch.succeeded:,} of {size.rows:,}")
    yield Figure("run", f"{ran:.1f} s; ideal {size.rows / sum(PER_MINUTE) * 60:.1f} s")


def _pass(work: Work, servers: list[ProviderServer], rows: int) -> tuple[Batch, float]:
    work.warm_up(work.agent("warm"))
    names = []
    for place, (server, per_minute) in enumerate(zip(servers, PER_MINUTE, strict=True)):
        name = f"member-{place}"
        credential = add_credential(
            work.user, name=name, provider="openai", key="sk-of-nobody", base_url=server.base_url
        )
        set_model(credential, MODEL, requests_per_minute=per_minute)
        names.append(f"{name}/{MODEL}")
        strict = {"requests_per_window": per_minute, "window": 60.0, "charge": "admission"}
        server.configure(latency=CALL_SECONDS, **strict)
        server.reset()
    batch = work.batch(work.agent("pooled", pool=names), rows)
    work.manager.start(batch)
    ran = seconds_to_end(batch, PATIENCE_SECONDS)
    assert ran is not None, f"the batch did not end: {batch.done} of {rows}"
    return batch, ran
