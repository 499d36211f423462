"""What both ways of calling have in common below the JSON: bounds, headers, TLS, and how failures are sorted."""

import errno
import ssl
from collections.abc import Callable, Mapping
from functools import cache
from typing import TypeGuard

import aiohttp

from agents.llm.errors import ConnectionFailed, ConnectionFault
from workers.errors import ErrorCode, WorkError

from .messages import clean_message

# The SDK insists on a key; servers that need none ignore this one.
PLACEHOLDER_KEY = "no-key"
USER_AGENT = "arboretum"
CONNECT_SECONDS = 10.0
# JSON writes a character of three bytes as an escape of six, and wraps the answer in fields of its own.
JSON_OVERHEAD = 4
ERROR_BODY_BYTES = 64 * 1024

SortError = Callable[[int, Mapping[str, str], bytes, str], WorkError]
"""Returns the error that a response other than 2xx stands for: of its status, headers, body (may be cut), secret."""


@cache
def tls_context() -> ssl.SSLContext:
    """Return the process' TLS settings: the system's authorities as the SDK finds them, nothing of the environment.

    Loading the authorities takes some 40 ms, hence once, and only for who calls over TLS.
    """
    import httpx2

    return httpx2.create_ssl_context(trust_env=False)


def can_be_header(value: str | None) -> TypeGuard[str]:
    """Tell whether `value` may be sent as a header: printable ASCII, and not empty."""
    return value is not None and value != "" and value.isascii() and value.isprintable()


def too_large(most: int) -> WorkError:
    """Return the error for an answer of more than `most` bytes."""
    return WorkError(ErrorCode.BAD_RESPONSE, f"the answer is larger than {most} bytes")


def compressed_unasked(encoding: str) -> WorkError:
    """Return the error for a compressed answer, which could unfold to a thousand times its size."""
    told = clean_message(encoding[:20], "")
    return WorkError(ErrorCode.BAD_RESPONSE, f"the server compressed its answer unasked ({told})")


def cannot_be_sent(why: str) -> WorkError:
    """Return the error for a request that cannot be built."""
    return WorkError(ErrorCode.INVALID_REQUEST, f"the request cannot be sent ({why})")


def network_error(error: Exception, secret: str) -> WorkError:
    """Return the error that a failure below HTTP, told by aiohttp, stands for."""
    if isinstance(error, TimeoutError):
        return WorkError(ErrorCode.TIMEOUT, "the server did not answer in time")
    # A refused certificate is both.
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return cannot_be_sent(type(error).__name__)
    if isinstance(error, aiohttp.ClientResponseError):
        return WorkError(ErrorCode.BAD_RESPONSE, f"the server's answer is not valid HTTP ({type(error).__name__})")
    return ConnectionFailed(f"the connection failed: {_told(error, secret)}", _fault(error))


def _told(error: Exception, secret: str) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError):
        # Its text would be what the server had sent so far.
        return type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorError) and _fault(error) is ConnectionFault.REFUSED:
        # The library names each address that it tried, and its TLS settings.
        return clean_message(f"{error.host}:{error.port} refuses connections", secret)
    return clean_message(str(error), secret) or type(error).__name__


def _fault(error: Exception) -> ConnectionFault:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return ConnectionFault.DNS
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        return ConnectionFault.TLS
    refused = isinstance(error, OSError) and error.errno == errno.ECONNREFUSED
    return ConnectionFault.REFUSED if refused else ConnectionFault.OTHER
