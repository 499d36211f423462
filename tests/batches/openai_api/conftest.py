"""A worker and a provider beside the web process, once for all tests of a module."""

from collections.abc import Iterator

import pytest

from credentials.models import Credential
from tests.support.api_user import ApiUser
from tests.support.factories import make_credential
from tests.support.provider_server import ProviderServer, ServerConfig
from tests.support.worker_harness import Workers


@pytest.fixture(scope="module")
def worker(server_env: dict[str, str]) -> Iterator[Workers]:
    """One worker process, which outlives the tests."""
    with Workers(1, env=server_env) as workers:
        yield workers


@pytest.fixture(scope="module")
def running_provider() -> Iterator[ProviderServer]:
    """A provider's server."""
    with ProviderServer() as server:
        yield server


@pytest.fixture
def provider(running_provider: ProviderServer, worker: Workers) -> ProviderServer:
    """The server with its first settings and no counts, and a worker that calls it."""
    defaults = ServerConfig()
    running_provider.configure(**{name: getattr(defaults, name) for name in ServerConfig.__slots__})
    running_provider.reset()
    return running_provider


@pytest.fixture
def credential(api: ApiUser, provider: ProviderServer) -> Credential:
    """The user's credential at the provider: its models are `acme/...`."""
    return make_credential(api.user, name="acme", provider="openai", base_url=provider.base_url, key="sk-test")
