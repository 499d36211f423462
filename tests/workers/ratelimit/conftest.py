"""Every test's event loop closes its connections."""

from collections.abc import AsyncIterator

import pytest

from workers.redis import close_async_connection


@pytest.fixture(autouse=True)
async def _closed_connection() -> AsyncIterator[None]:
    """Close the loop's connections after the test."""
    yield
    await close_async_connection()
