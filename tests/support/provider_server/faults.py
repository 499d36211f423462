"""The faults: what the server does in place of a right answer."""

import asyncio
import gzip
import socket
import struct

from aiohttp import web

from .call import Answer
from .config import ServerConfig
from .dialects import DIALECTS

PLAIN = DIALECTS[""]
_FOREVER = 3600.0
_BLOCK = b" " * 65_536

_STATUS_FAULTS = {
    "server_error": (500, "server_error", None, "The server had an error."),
    "overloaded": (503, "server_error", None, "The engine is overloaded."),
    "rate_limited": (429, "requests", "rate_limit_exceeded", "Rate limit reached."),
    "quota": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    "invalid_key": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "forbidden": (403, "invalid_request_error", None, "Not allowed."),
    "not_found": (404, "invalid_request_error", "model_not_found", "The model does not exist."),
    "timeout": (408, "timeout", None, "The request took too long."),
    "bad_request": (400, "invalid_request_error", None, "Unknown field."),
    "context_length": (400, "invalid_request_error", "context_length_exceeded", "Too many tokens."),
    "content_policy": (400, "invalid_request_error", "content_policy_violation", "Not allowed by the policy."),
}


def json_response(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return a response of JSON."""
    response = web.Response(body=body, status=status, headers=headers)
    response.content_type = "application/json"
    return response


async def answer_wrongly(
    fault: str, request: web.BaseRequest, answer: Answer, config: ServerConfig
) -> web.StreamResponse:
    """Do what `fault` says. Faults in the middle of a stream are the stream's own."""
    if fault in _STATUS_FAULTS:
        status, kind, code, message = _STATUS_FAULTS[fault]
        waits = fault in ("rate_limited", "overloaded") and config.retry_after is not None
        headers = {"Retry-After": f"{config.retry_after:g}"} if waits else None
        return json_response(answer.dialect.error(kind, code, message, status), status, headers)
    match fault:
        case "reset":
            reset(request)
        case "stall":
            await asyncio.sleep(_FOREVER)
        case "html":
            return web.Response(text="<html><body>Bad gateway</body></html>", content_type="text/html")
        case "not_json":
            return json_response(b'{"choices": [nonsense')
        case "empty_choices":
            return json_response(b'{"choices": []}')
        case "redirect":
            return web.Response(status=302, headers={"Location": "http://127.0.0.1:9/elsewhere"})
        case "error_in_body":
            return json_response(PLAIN.error("server_error", None, "The upstream failed."))
        case "leaky_error":
            return json_response(PLAIN.error("invalid_request_error", None, f"Bad key {answer.call.key}!"), 400)
        case "gzip_bomb":
            headers = {"Content-Encoding": "gzip"}
            return json_response(gzip.compress(b" " * config.huge_bytes), headers=headers)
        case "content_filter":
            answer.finish_reason = "content_filter"
            return json_response(answer.whole())
    return await _partly(fault, request, answer, config)


def reset(request: web.BaseRequest) -> None:
    """Reset the connection. Always raises ConnectionResetError."""
    if request.transport is not None:
        linger = struct.pack("ii", 1, 0)
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        request.transport.abort()
    raise ConnectionResetError


async def _partly(fault: str, request: web.BaseRequest, answer: Answer, config: ServerConfig) -> web.StreamResponse:
    response = web.StreamResponse(status=500 if fault == "huge_error" else 200)
    response.content_type = "application/json"
    await response.prepare(request)
    body = answer.whole()
    await response.write(body[: len(body) // 2])
    match fault:
        case "reset_midway":
            await asyncio.sleep(0.02)
            reset(request)
        case "stall_midway":
            await asyncio.sleep(_FOREVER)
        case "huge" | "huge_error":
            for _ in range(config.huge_bytes // len(_BLOCK)):
                await response.write(_BLOCK)
        case "endless":
            while True:
                await response.write(_BLOCK)
                await asyncio.sleep(0)
    return response
