"""An embedded Valkey apart from the one that all tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from workers.embedded.valkey import EmbeddedValkey


@pytest.fixture
def embedded(short_folder: Path) -> Iterator[EmbeddedValkey]:
    """An embedded server of its own data directory, not started yet."""
    server = EmbeddedValkey(short_folder)
    yield server
    server.stop()
