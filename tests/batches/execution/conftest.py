"""Fixtures of several modules of tests of execution."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from batches.execution import agents_cache
from batches.execution import heartbeat as heartbeat_module
from batches.execution import host as host_module
from batches.execution.host import WorkerHost


@pytest.fixture
def own_journals(tmp_path: Path, settings: LazySettings) -> None:
    """Let journals lie in a folder of the test's own."""
    settings.ARBORETUM_DATA_DIR = tmp_path


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs only when the test has it run."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerHost]:
    """A host that looks for changes of batches and agents ten times a second."""
    monkeypatch.setattr(heartbeat_module, "REFRESH_SECONDS", 0.1)
    monkeypatch.setattr(agents_cache, "FRESH_SECONDS", 0.1)
    monkeypatch.setattr(host_module, "FRESH_SECONDS", 0.1)
    running = WorkerHost()
    yield running
    running.stop()
