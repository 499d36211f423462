"""Reads a stream of server-sent events: the data of each, as bytes.

https://html.spec.whatwg.org/multipage/server-sent-events.html; of it, what chat completions use: an event is one line
of data.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from workers.errors import ErrorCode, WorkError

_DRAIN_SECONDS = 0.1

ALIVE = b""
"""Stands for a line that is no data, as servers send to keep a connection open."""


async def read_events(pieces: AsyncIterator[bytes], max_line_bytes: int) -> AsyncIterator[bytes]:
    """Yield the data of each event in `pieces`, and ALIVE for comments.

    Raises WorkError `bad_response` when a line grows beyond `max_line_bytes`.
    """
    rest = bytearray()
    async for piece in pieces:
        rest += piece
        if b"\n" in piece:
            *lines, rest = rest.split(b"\n")
            for line in lines:
                data = _data(line)
                if data is not None:
                    yield data
        if len(rest) > max_line_bytes:
            raise WorkError(ErrorCode.BAD_RESPONSE, f"a line of the stream is larger than {max_line_bytes} bytes")
    data = _data(rest)
    if data is not None:
        yield data


async def drain(events: AsyncIterator[bytes]) -> None:
    """Read what follows the last of `events`, so that the connection can be used again; who goes on is cut."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in events:
                pass


def _data(line: bytearray) -> bytes | None:
    if line.startswith(b"data:"):
        return bytes(line[5:].strip())
    return ALIVE if line.startswith(b":") else None
