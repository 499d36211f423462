"""The tests' own server: limits, counters, and its life as a process."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from agents.llm.client import LLMClient
from agents.llm.providers.base import ProviderConfig
from agents.llm.registry import provider_type
from tests.support.provider_server import FAULTS, FakeServer, ProviderServer, ServerConfig
from tests.support.provider_server.limits import SlidingWindow
from workers.errors import ErrorCode, WorkError

from .calls import ask


async def outcomes(client: LLMClient, count: int) -> list[ErrorCode | None]:
    async def one(number: int) -> ErrorCode | None:
        try:
            await client.complete(ask(f"row {number}"))
        except WorkError as error:
            return error.code
        return None

    return await asyncio.gather(*(one(number) for number in range(count)))


async def test_request_limit_holds_within_every_window(server: FakeServer, openai_client: LLMClient):
    server.configure(requests_per_window=10, window=1.0)
    codes = await outcomes(openai_client, 15)
    assert codes.count(None) == 10
    assert codes.count(ErrorCode.RATE_LIMITED) == 5
    with pytest.raises(WorkError) as caught:
        await openai_client.complete(ask("one more"))
    assert caught.value.retry_after is not None
    await asyncio.sleep(caught.value.retry_after + 0.01)
    assert (await openai_client.complete(ask("after the wait"))).text == "after the wait"
    assert server.counters.refused == 6


async def test_token_limit_counts_the_prompt(server: FakeServer, openai_client: LLMClient):
    server.configure(tokens_per_window=300)
    await openai_client.complete(ask("y" * 400))
    with pytest.raises(WorkError) as caught:
        await openai_client.complete(ask("z" * 400))
    assert caught.value.code is ErrorCode.RATE_LIMITED


def test_window_slides():
    window = SlidingWindow()
    for moment in (0.0, 1.0, 2.0):
        assert window.wait(moment, 1, 3, 10.0) == 0
        window.add(moment, 1)
    assert window.wait(5.0, 1, 3, 10.0) == pytest.approx(5.0)
    assert window.wait(5.0, 2, 3, 10.0) == pytest.approx(6.0)
    assert window.wait(10.0, 1, 3, 10.0) == 0
    assert window.wait(10.0, 4, 3, 10.0) == 10.0


async def test_calls_before_retry_after_are_counted(server: FakeServer, openai_client: LLMClient):
    server.configure(faults={"rate_limited": 1.0}, fault_limit=1, retry_after=1.0, early_grace=0.05)
    codes = [*await outcomes(openai_client, 1)]
    await asyncio.sleep(0.1)
    codes += await outcomes(openai_client, 1)
    await asyncio.sleep(1.0)
    codes += await outcomes(openai_client, 1)
    assert codes == [ErrorCode.RATE_LIMITED, None, None]
    assert (server.counters.early_calls, server.counters.early_retries) == (1, 1)
    assert (server.counters.faulted, server.counters.completed) == (1, 2)


async def test_contents_are_counted(server: FakeServer, openai_client: LLMClient):
    for text in ("a", "b", "a"):
        await openai_client.complete(ask(text))
    stats = server.counters.as_dict(contents=True)
    assert (stats["distinct_contents"], stats["repeated_contents"]) == (2, 1)
    assert sorted(stats["completed_contents"].values()) == [1, 2]


@pytest.mark.parametrize("values", [{"latncy": 1}, {"faults": {"no_such_fault": 1}}])
def test_unknown_setting_is_refused(values: dict[str, object]):
    with pytest.raises(ValueError, match="unknown settings or faults"):
        ServerConfig().changed(values)


def test_every_fault_is_used_by_a_test():
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    assert [fault for fault in sorted(FAULTS) if f'"{fault}"' not in sources] == []


async def test_process_is_steered_from_outside():
    with ProviderServer(reply="fixed", text="from afar") as server:
        client = LLMClient(provider_type("openai").connect(ProviderConfig(base_url=server.base_url)))
        assert (await client.complete(ask())).text == "from afar"
        server.configure(text="changed", latency=0.1)
        begun = time.monotonic()
        assert (await client.complete(ask())).text == "changed"
        assert time.monotonic() - begun >= 0.1
        assert server.stats()["completed"] == 2
        assert len(server.stats(contents=True)["by_content"]) == 1
        server.reset()
        assert server.stats()["received"] == 0
        with pytest.raises(ValueError, match="unknown"):
            server.configure(nonsense=1)
        pid = server.pid
        await client.aclose()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_process_listens_on_a_unix_socket():
    with ProviderServer(unix_socket=True) as server:
        assert server.socket_path is not None
        assert server.stats()["received"] == 0


def test_process_that_cannot_start_says_so():
    with pytest.raises(RuntimeError, match="ended with exit code"):
        ProviderServer(no_such_setting=1)
