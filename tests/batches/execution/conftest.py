"""Fixtures of several modules of tests of execution."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings


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
