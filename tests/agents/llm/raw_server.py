"""A server that says byte for byte what a test gives it, and counts its connections."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

PIECE_BYTES = 64 * 1024
ANSWER = b'{"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}'


def http(body: bytes = ANSWER, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """Return a response as it goes over the wire; `length` is the Content-Length where it is not the body's."""
    lines = [f"HTTP/1.1 {status}", *headers]
    if not any(line.startswith(("Transfer-Encoding", "Connection: close")) for line in headers):
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class RawServer:
    """Answers the requests of each connection with `answers` in turn, the last one again and again.

    None in place of an answer waits until the client goes away, b"" hangs up. `closes_after` hangs up after so many
    answers of a connection.
    """

    def __init__(self) -> None:
        self.answers: list[bytes | None] = [http()]
        self.closes_after = 0
        self.connections = 0
        self.open = 0
        self.requests: list[bytes] = []
        self.base_url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        self.open += 1
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._answer(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            self.open -= 1

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        turn = 0
        while not self.closes_after or turn < self.closes_after:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            self.requests.append(head + await reader.readexactly(length))
            answer = self.answers[min(turn, len(self.answers) - 1)]
            turn += 1
            if answer is None:
                await reader.read()
            if not answer:
                return
            # Piece by piece: the transport would hold a copy of a large one for each connection.
            for start in range(0, len(answer), PIECE_BYTES):
                writer.write(answer[start : start + PIECE_BYTES])
                await writer.drain()


@asynccontextmanager
async def raw_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Run a server in this loop."""
    state = RawServer()
    server = await asyncio.start_server(state.serve, "127.0.0.1", 0, ssl=tls)
    scheme = "https" if tls else "http"
    state.base_url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield state
    finally:
        server.close()


async def soon(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds, for 5 s at most."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the condition did not come true")
