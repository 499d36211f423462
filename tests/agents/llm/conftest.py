"""Fixtures of the model client's tests: the in-process server, and clients of it."""

from collections.abc import AsyncIterator
from importlib import import_module

import pytest

from agents.llm.client import LLMClient
from agents.llm.providers.base import ProviderConfig
from agents.llm.providers.openai.sdk import SDKProvider
from agents.llm.registry import provider_type
from tests.support.provider_server import FakeServer, running_server

KEY = "sk-test-0123456789abcdef"
# On a busy machine its import takes seconds, which would count towards the first test's timeout.
import_module("agents.llm.providers.anthropic.sdk")


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    """A server in this test's loop."""
    async with running_server() as running:
        yield running


def connected(server: FakeServer, provider_name: str = "openai", *, through_sdk: bool = False) -> LLMClient:
    """Return a client of `server` that gives up on silence within a stream after 0.5 s and on answers beyond 100 kB.

    With `through_sdk` plain calls go through the SDK, too.
    """
    config = ProviderConfig(api_key=KEY, base_url=server.base_url, max_answer_bytes=100_000)
    provider = SDKProvider(config) if through_sdk else provider_type(provider_name).connect(config)
    return LLMClient(provider, idle_timeout=0.5, max_answer_bytes=100_000)


@pytest.fixture
async def openai_client(server: FakeServer) -> AsyncIterator[LLMClient]:
    """A client of `server`."""
    client = connected(server)
    yield client
    await client.aclose()


@pytest.fixture
async def sdk_client(server: FakeServer) -> AsyncIterator[LLMClient]:
    """The like, all of whose calls go through the SDK."""
    client = connected(server, through_sdk=True)
    yield client
    await client.aclose()


@pytest.fixture
async def anthropic_client(server: FakeServer) -> AsyncIterator[LLMClient]:
    """The like for the Messages API."""
    client = connected(server, "anthropic")
    yield client
    await client.aclose()
