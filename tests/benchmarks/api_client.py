"""Callers of an OpenAI-compatible server, many at once, each with its next call as soon as the last was answered.

`python -m tests.benchmarks.api_client`: each line on standard input, the fields of `Load`, is answered with a line of
JSON: `wall` and `cpu` in seconds, `began` (Unix time just before the first call), and the `seconds` of each call.

aiohttp with connections that stay open costs a quarter of a millisecond a call; the openai client costs several, which
would be measured on both sides, and would keep this process from being punctual. It is there for the record.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import aiohttp
from openai import AsyncOpenAI

from .rig.lines import answer_lines
from .rig.rows import row_text

TIMEOUT_SECONDS = 120.0
Caller = Callable[[str, str], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Load:
    """`calls` calls, `in_flight` callers at once. Caller n uses the nth key and model, beginning anew at their end.

    The callers begin evenly over `spread_over` seconds, as callers do that know nothing of each other.
    """

    base_url: str
    keys: list[str]
    models: list[str]
    calls: int
    in_flight: int
    client: str = "aiohttp"
    spread_over: float = 0.0


@dataclass(frozen=True, slots=True)
class Clients:
    """One client for all servers, as its connections are kept from one line to the next."""

    session: aiohttp.ClientSession
    openai: dict[tuple[str, str], AsyncOpenAI]

    def caller(self, load: Load, number: int) -> Caller:
        """Return what makes a call for caller `number`: takes the model and a text, returns the completion."""
        key = load.keys[number % len(load.keys)]
        return self._openai(load.base_url, key) if load.client == "openai" else self._aiohttp(load.base_url, key)

    def _aiohttp(self, base_url: str, key: str) -> Caller:
        headers = {"Authorization": f"Bearer {key}"}

        async def call(model: str, text: str) -> Any:
            body = {"model": model, "messages": [{"role": "user", "content": text}]}
            async with self.session.post(f"{base_url}/chat/completions", json=body, headers=headers) as response:
                answer = await response.json()
                assert response.status == 200, answer
                return answer["choices"][0]["message"]["content"]

        return call

    def _openai(self, base_url: str, key: str) -> Caller:
        if (base_url, key) not in self.openai:
            self.openai[base_url, key] = AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0)
        client = self.openai[base_url, key]

        async def call(model: str, text: str) -> Any:
            messages: list[Any] = [{"role": "user", "content": text}]
            answer = await client.chat.completions.create(model=model, messages=messages)
            return answer.choices[0].message.content

        return call


async def main() -> None:
    """Answer the lines until they end."""
    async with _clients() as clients:
        await answer_lines(lambda line: _measured(clients, Load(**line)))


@asynccontextmanager
async def _clients() -> AsyncIterator[Clients]:
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=TIMEOUT_SECONDS)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, AsyncExitStack() as stack:
        clients = Clients(session, {})
        stack.push_async_callback(_close, clients)
        yield clients


async def _close(clients: Clients) -> None:
    for client in clients.openai.values():
        await client.close()


async def _measured(clients: Clients, load: Load) -> dict[str, Any]:
    numbers = count()
    seconds: list[float] = []

    async def work(number: int) -> None:
        call, model = clients.caller(load, number), load.models[number % len(load.models)]
        await asyncio.sleep(load.spread_over * number / load.in_flight)
        while (index := next(numbers)) < load.calls:
            begun = time.monotonic()
            said = await call(model, row_text(index))
            seconds.append(round(time.monotonic() - begun, 5))
            assert said == row_text(index), f"an answer is wrong: {said!r}"

    began, wall, cpu = time.time(), time.monotonic(), time.process_time()
    await asyncio.gather(*(work(number) for number in range(load.in_flight)))
    spent = {"wall": time.monotonic() - wall, "cpu": time.process_time() - cpu}
    return {**spent, "began": began, "seconds": seconds}


if __name__ == "__main__":
    asyncio.run(main())
