"""What one would write without Arboretum: asyncio.gather over the openai SDK as shipped, nothing stored.

`python -m tests.benchmarks.plain_client BASE_URL IN_FLIGHT`: each line on standard input, a number of calls, is
answered with a line of JSON: `wall` and `cpu` in seconds.
"""

import asyncio
import sys
import time

from openai import AsyncOpenAI

from .rig.lines import answer_lines
from .rig.rows import row_text


async def main(base_url: str, in_flight: int) -> None:
    """Answer the lines until they end. The client is made once, so that the first line warms it up."""
    async with AsyncOpenAI(api_key="sk-of-nobody", base_url=base_url) as client:
        await answer_lines(lambda calls: _measured(client, calls, in_flight))


async def _measured(client: AsyncOpenAI, calls: int, in_flight: int) -> dict[str, float]:
    cpu, wall = time.process_time(), time.monotonic()
    await _call_all(client, calls, in_flight)
    return {"wall": time.monotonic() - wall, "cpu": time.process_time() - cpu}


async def _call_all(client: AsyncOpenAI, calls: int, in_flight: int) -> None:
    semaphore = asyncio.Semaphore(in_flight)

    async def call(index: int) -> str | None:
        async with semaphore:
            answer = await client.chat.completions.create(
                model="fake-small", messages=[{"role": "user", "content": row_text(index)}]
            )
        return answer.choices[0].message.content

    answers = await asyncio.gather(*(call(index) for index in range(calls)))
    assert answers == [row_text(index) for index in range(calls)], "an answer is wrong"


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
