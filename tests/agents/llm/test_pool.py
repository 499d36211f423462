"""The pool of connected clients."""

import asyncio

import pytest

from agents.llm.pool import ClientPool
from agents.llm.providers.base import ProviderConfig
from tests.support.provider_server import FakeServer
from workers.errors import ErrorCode, WorkError

from .calls import ask

KEYS = [ProviderConfig(api_key=f"key-{number}") for number in range(4)]


async def test_same_configuration_shares_a_client():
    pool = ClientPool()
    async with pool.lease("simulated", KEYS[0]) as first, pool.lease("simulated", ProviderConfig("key-0")) as second:
        assert first is second
    async with pool.lease("simulated", KEYS[0]) as later:
        assert later is first
    async with pool.lease("simulated", KEYS[1]) as other:
        assert other is not first
    await pool.aclose()


async def test_provider_is_part_of_the_key(server: FakeServer):
    pool = ClientPool()
    config = ProviderConfig(base_url=server.base_url)
    async with pool.lease("simulated", config) as one, pool.lease("openai", config) as other:
        assert one is not other
    await pool.aclose()


def test_each_event_loop_has_its_own_client():
    pool = ClientPool()

    async def leased():
        async with pool.lease("simulated", KEYS[0]) as client:
            return client

    assert asyncio.run(leased()) is not asyncio.run(leased())


async def test_least_recently_used_is_dropped_first():
    pool = ClientPool(max_clients=2)
    clients = {}
    for number in (0, 1, 0, 2):
        async with pool.lease("simulated", KEYS[number]) as client:
            clients[number] = client
    async with pool.lease("simulated", KEYS[0]) as client:
        assert client is clients[0]
    async with pool.lease("simulated", KEYS[1]) as client:
        assert client is not clients[1]


async def test_dropped_client_works_until_its_last_holder_gives_it_back(server: FakeServer):
    pool = ClientPool(max_clients=1)
    config = ProviderConfig(base_url=server.base_url)
    async with pool.lease("openai", config) as client:
        async with pool.lease("openai", config), pool.lease("simulated", KEYS[0]):
            pass
        assert (await client.complete(ask("still here"))).text == "still here"
    with pytest.raises(WorkError):
        await client.complete(ask("closed now"))


async def test_closing_the_pool_spares_who_is_held(server: FakeServer):
    pool = ClientPool()
    async with pool.lease("openai", ProviderConfig(base_url=server.base_url)) as client:
        await pool.aclose()
        assert (await client.complete(ask("held"))).text == "held"
    with pytest.raises(WorkError):
        await client.complete(ask("given back"))


@pytest.mark.parametrize(
    ("provider", "config"),
    [
        ("nope", ProviderConfig()),
        ("openai", ProviderConfig(base_url="ftp://host")),
        ("openai", ProviderConfig(base_url="http://")),
        ("openai", ProviderConfig(api_key="line\nbreak")),
        ("openai", ProviderConfig(api_key="schlüssel")),
    ],
)
async def test_what_cannot_be_connected_is_a_classified_error(provider: str, config: ProviderConfig):
    with pytest.raises(WorkError) as caught:
        async with ClientPool().lease(provider, config):
            pass
    assert caught.value.code is ErrorCode.INVALID_REQUEST
    assert "schlüssel" not in caught.value.message


def test_key_is_not_shown_by_the_configuration():
    assert "key-0" not in repr(KEYS[0])
