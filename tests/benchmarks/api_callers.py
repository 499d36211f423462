"""How soon the calls of many different callers, all at the same moment, are in flight at the provider."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from agents.services import create_agent
from credentials.services import add_credential
from tests.support.factories import make_user
from tests.support.provider_server import ProviderServer
from tests.support.web_server import WebServer

from .api_client import Load
from .api_load import ApiClient
from .figure import Figure, spread
from .rig.api import token_of
from .rig.case import Size
from .rig.rig import Rig
from .rig.work import Work

CALL_SECONDS = 3.0
WARM_CALLS = 100
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Wave:
    """`arrived` is the seconds from before the first call was sent until the last had come to the provider."""

    arrived: float
    together: int
    slowest: float


def run(rig: Rig, size: Size) -> Iterator[Figure]:
    """Yield the figures of `size.repeats` waves of `size.rows` callers, on a web and two workers.

    Each caller of each wave is a new user with a token, a credential, and an agent or a model that never ran before.
    """
    with (
        ProviderServer(track_contents=False) as server,
        rig.workers(),
        WebServer(rig.worker_env()) as web,
        ApiClient() as client,
    ):
        work = Work(rig.folder, server)
        warm = Load(f"{web.origin}/v1", [token_of(work.user)], [work.plain_model("fake-small")], WARM_CALLS, size.rows)
        client.call(warm)
        waves = [_wave(client, server, web, size.rows) for _ in range(size.repeats)]
    yield Figure("all in flight at the provider after", spread([one.arrived for one in waves], "s"), "1 s")
    yield Figure("in flight at once", f"{min(one.together for one in waves)} of {size.rows}", f"{size.rows}")
    answered = spread([one.slowest for one in waves], "s")
    yield Figure(f"the slowest was answered after (ideal {CALL_SECONDS:g} s)", answered)


def _wave(client: ApiClient, server: ProviderServer, web: WebServer, callers: int) -> Wave:
    keys, models = zip(*(_caller(server, number) for number in range(callers)), strict=True)
    server.configure(latency=CALL_SECONDS)
    server.reset()
    answered = client.call(Load(f"{web.origin}/v1", list(keys), list(models), callers, callers))
    stats = server.stats()
    return Wave(stats["last_received_at"] - answered.began, stats["max_in_flight"], max(answered.seconds))


def _caller(server: ProviderServer, number: int) -> tuple[str, str]:
    """Return the token and the model of somebody new: of every second one an agent, of the others a plain model."""
    user = make_user(is_staff=True)  # others may not name an address
    name = f"own-{next(_numbers)}"
    credential = add_credential(user, name=name, provider="openai", key=f"sk-{name}", base_url=server.base_url)
    if number % 2:
        return token_of(user), f"{name}/fake-small"
    agent = create_agent(
        user, slug=name, credential=credential, model="fake-small", prompt="{{ text }}", instructions="Be short."
    )
    return token_of(user), f"agent:{agent.slug}"
