"""Fixtures of the model client's tests: the in-process server, and clients of it."""

from collections.abc import AsyncIterator

import pytest

from agents.llm.client import LLMClient
from agents.llm.providers.base import ProviderConfig
from agents.llm.providers.openai.sdk import SDKProvider
from agents.llm.registry import provider_type
from tests.support.provider_server import FakeServer, running_server

KEY = "sk-test-0123456789abcdef"


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    """A server in this test's loop."""
    async with running_server() as running:
        yield running


@pytest.fixture
async def openai_client(server: FakeServer) -> AsyncIterator[LLMClient]:
    """A client of `server` that gives up on silence within a stream after 0.5 s and on answers beyond 100 kB."""
    config = ProviderConfig(api_key=KEY, base_url=server.base_url, max_answer_bytes=100_000)
    client = LLMClient(provider_type("openai").connect(config), idle_timeout=0.5, max_answer_bytes=100_000)
    yield client
    await client.aclose()


@pytest.fixture
async def sdk_client(server: FakeServer) -> AsyncIterator[LLMClient]:
    """The like, whose plain calls go through the SDK, too."""
    config = ProviderConfig(api_key=KEY, base_url=server.base_url, max_answer_bytes=100_000)
    client = LLMClient(SDKProvider(config), idle_timeout=0.5, max_answer_bytes=100_000)
    yield client
    await client.aclose()
