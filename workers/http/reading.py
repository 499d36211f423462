"""Reading an answer within its bounds: what counts is its size when it is unpacked."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import aiohttp
from aiohttp import hdrs

from workers.errors import ErrorCode, WorkError

ACCEPTED = "gzip, deflate"
_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class GuardedResponse:
    """An answer: status, headers (names without regard to case) and unpacked body, which `is_cut` where it was longer.

    `url` is where it came from, after redirects.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    is_cut: bool = False


class Unpacker(Protocol):
    """Unpacks pieces, at most a number of bytes each; what is left of a piece it keeps for the next call."""

    def unpack(self, piece: bytes, most: int) -> bytes:
        """Return at most `most` bytes. Raises zlib.error."""


class _Plain:
    """For a body that is not compressed."""

    def unpack(self, piece: bytes, most: int) -> bytes:
        """Return the beginning of the piece; who wants no more does not ask again."""
        return piece[:most]


class _Inflater:
    """For gzip and deflate. The first piece of deflate tells whether it has zlib's header, as it should."""

    def __init__(self, *, is_gzip: bool) -> None:
        """Begin with nothing."""
        self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS) if is_gzip else None

    def unpack(self, piece: bytes, most: int) -> bytes:
        """Return at most `most` bytes. Raises zlib.error."""
        if self._inflate is None:
            # RFC 9110, 8.4.1.2: some servers leave the header out.
            has_header = piece[:1] and piece[0] & 0x0F == zlib.DEFLATED
            self._inflate = zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)
        return self._inflate.decompress(piece, most)


def _unpacker(encoding: str) -> Unpacker:
    match encoding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip":
            return _Inflater(is_gzip=True)
        case "deflate":
            return _Inflater(is_gzip=False)
    raise WorkError(ErrorCode.BAD_RESPONSE, "the server compressed its answer in a way that was not asked for")


async def read_body(response: aiohttp.ClientResponse, most: int, *, may_cut: bool) -> tuple[bytes, bool]:
    """Return the unpacked body and whether it was cut at `most` bytes.

    Raises WorkError `bad_response` for a longer one unless it `may_cut`, and for one that cannot be unpacked.
    """
    unpacker = _unpacker(response.headers.get(hdrs.CONTENT_ENCODING, ""))
    body = bytearray()
    async for piece in response.content.iter_chunked(_PIECE):
        try:
            body += unpacker.unpack(piece, most + 1 - len(body))
        except zlib.error:
            raise WorkError(ErrorCode.BAD_RESPONSE, "the server's answer cannot be unpacked") from None
        if len(body) > most:
            if may_cut:
                return bytes(body[:most]), True
            raise WorkError(ErrorCode.BAD_RESPONSE, f"the answer is larger than {most:,} bytes")
    return bytes(body), False
