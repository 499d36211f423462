"""Servers that stall, flood and never end: cut in time, without filling the memory."""

import asyncio
import time

import psutil
import pytest

from agents.llm.client import LLMClient
from agents.llm.providers.base import ProviderConfig
from agents.llm.registry import provider_type
from tests.support.provider_server import FakeServer, ProviderServer
from workers.errors import ErrorCode, WorkError

from .calls import ask, call


@pytest.fixture(params=["openai", "anthropic"])
def client(request: pytest.FixtureRequest, openai_client: LLMClient, anthropic_client: LLMClient) -> LLMClient:
    return openai_client if request.param == "openai" else anthropic_client


async def failure(client: LLMClient, *, stream: bool, within: float = 5.0) -> tuple[WorkError, float]:
    begun = time.monotonic()
    with pytest.raises(WorkError) as caught:
        await call(client, ask("x" * 200, timeout=within), stream=stream)
    return caught.value, time.monotonic() - begun


async def aborted_calls(server: FakeServer) -> int:
    for _ in range(100):
        if not server.counters.in_flight:
            break
        await asyncio.sleep(0.02)
    return server.counters.aborted


@pytest.mark.parametrize("stream", [False, True])
async def test_server_that_never_answers_is_cut_at_the_timeout(server: FakeServer, client: LLMClient, stream: bool):
    server.configure(faults={"stall": 1.0})
    error, seconds = await failure(client, stream=stream, within=0.3)
    assert error.code is ErrorCode.TIMEOUT
    assert seconds < 2
    assert await aborted_calls(server) == 1


async def test_stream_that_falls_silent_is_cut_at_the_idle_timeout(server: FakeServer, client: LLMClient):
    server.configure(faults={"stall_midway": 1.0})
    error, seconds = await failure(client, stream=True, within=20)
    assert error.code is ErrorCode.TIMEOUT
    assert "silence" in error.message
    assert seconds < 2
    assert await aborted_calls(server) == 1


async def test_cancelled_call_ends_at_the_server_too(server: FakeServer, client: LLMClient):
    server.configure(latency=20)
    tasks = [asyncio.create_task(call(client, ask(), stream=stream)) for stream in (False, True)]
    await asyncio.sleep(0.2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await aborted_calls(server) == 2


@pytest.mark.parametrize(
    ("fault", "stream"),
    [("huge", False), ("huge", True), ("endless", False), ("endless", True), ("endless_calls", True)],
)
async def test_flood_is_cut_at_the_bound(server: FakeServer, client: LLMClient, fault: str, stream: bool):
    server.configure(faults={fault: 1.0})
    error, seconds = await failure(client, stream=stream, within=20)
    assert error.code is ErrorCode.BAD_RESPONSE
    assert "large" in error.message
    assert seconds < 5
    assert await aborted_calls(server) == 1


async def test_error_with_an_endless_body_is_still_its_status(server: FakeServer, client: LLMClient):
    server.configure(faults={"huge_error": 1.0})
    error, seconds = await failure(client, stream=False, within=20)
    assert error.code is ErrorCode.SERVER_ERROR
    assert seconds < 5


async def test_hundred_megabytes_do_not_reach_the_memory():
    with ProviderServer(faults={"huge": 1.0}) as flooding:
        client = LLMClient(provider_type("openai").connect(ProviderConfig(base_url=flooding.base_url)))
        before = psutil.Process().memory_info().rss
        for _ in range(3):
            error, _ = await failure(client, stream=False, within=20)
            assert error.code is ErrorCode.BAD_RESPONSE
        assert psutil.Process().memory_info().rss - before < 60_000_000
        await client.aclose()


async def test_client_works_on_after_every_fault(server: FakeServer, client: LLMClient):
    for fault in ("reset", "reset_midway", "truncated", "html", "huge", "stall_midway"):
        server.configure(faults={fault: 1.0})
        await failure(client, stream=True, within=2)
        server.configure(faults={})
        assert (await client.complete(ask("after " + fault))).text == "after " + fault


async def test_many_floods_at_once_do_not_reach_the_memory():
    with ProviderServer(faults={"huge": 1.0}, huge_bytes=20_000_000) as flooding:
        client = LLMClient(provider_type("openai").connect(ProviderConfig(base_url=flooding.base_url)))
        before = psutil.Process().memory_info().rss
        found = await asyncio.gather(*(failure(client, stream=False, within=30) for _ in range(30)))
        assert {error.code for error, _ in found} == {ErrorCode.BAD_RESPONSE}
        assert psutil.Process().memory_info().rss - before < 90_000_000
        await client.aclose()
