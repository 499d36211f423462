"""How a program beside a case is asked: a line of JSON on standard input, answered by one on standard output."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any


async def answer_lines(answer: Callable[[Any], Awaitable[Any]]) -> None:
    """Answer each line with what `answer` returns to its value, until they end."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await answer(json.loads(line))), flush=True)
