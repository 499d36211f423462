"""Streamed answers, right and wrong."""

import asyncio
import itertools

from aiohttp import web

from .call import Answer
from .config import ServerConfig
from .faults import reset

MIDWAY_FAULTS = frozenset({"reset_midway", "stall_midway", "truncated", "endless", "huge", "endless_calls"})
_LARGE_TEXT = 65_536


async def stream_answer(
    request: web.BaseRequest, answer: Answer, config: ServerConfig, headers: dict[str, str], fault: str | None
) -> web.StreamResponse:
    """Send `answer` event by event; a midway fault strikes after the first half of the events."""
    response = web.StreamResponse(headers=headers)
    response.content_type = "text/event-stream"
    await response.prepare(request)
    events = answer.events(config.chunk_size)
    if fault is not None:
        events = events[: len(events) // 2]
    for event in events:
        await response.write(event)
        if config.chunk_delay:
            await asyncio.sleep(config.chunk_delay)
    if fault is not None:
        await _break(fault, request, response, answer)
        return response
    if answer.ending:
        await response.write(answer.ending)
    return response


async def _break(fault: str, request: web.BaseRequest, response: web.StreamResponse, answer: Answer) -> None:
    match fault:
        case "reset_midway":
            await asyncio.sleep(0.02)
            reset(request)
        case "stall_midway":
            await asyncio.sleep(3600)
        case "endless":
            while True:
                await response.write(answer.event([{"index": 0, "delta": {"content": "more and more " * 100}}]))
                await asyncio.sleep(0)
        case "endless_calls":
            for index in itertools.count():
                await response.write(answer.event([{"index": 0, "delta": {"tool_calls": [{"index": index}]}}]))
                await asyncio.sleep(0)
        case "huge":
            # One line that never ends.
            while True:
                await response.write(b"x" * _LARGE_TEXT)
                await asyncio.sleep(0)
