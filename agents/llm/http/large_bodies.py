"""A budget for large answers: hundreds at once, as a hostile server could send, would fill the memory."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from agents.llm.providers.base import MAX_ANSWER_BYTES
from workers.errors import ErrorCode, WorkError

from .network import JSON_OVERHEAD

# An answer of usual length is far below; so many bytes of each call in flight may be in memory at once.
LARGE_BODY_BYTES = 256 * 1024
# Beyond that room is taken in steps while an answer is read.
STEP = 256 * 1024
# Room for one answer of the largest size is kept for the answer that began first: it can always be read to its end, so
# that a crowd of half-read answers never waits for one another.
KEPT_FOR_FIRST = MAX_ANSWER_BYTES * JSON_OVERHEAD
# So many bytes all large answers of a loop may hold. What is not kept for the first is enough for a second one of the
# longest text in plain characters, or for sixteen of twice LARGE_BODY_BYTES.
LARGE_TOTAL = KEPT_FOR_FIRST + MAX_ANSWER_BYTES
LONGEST_WAIT_SECONDS = 5.0


class LargeBody:
    """What one large answer holds of its loop's budget."""

    def __init__(self, budget: "LargeBodies") -> None:
        """Hold nothing yet."""
        self.held = 0
        self.turn: asyncio.Future[None] | None = None
        self._budget = budget

    async def take(self) -> int:
        """Return how many bytes may be in memory once there is room for a further STEP.

        Who waits does not read, so that its server is slowed down by TCP; the call's own timeout goes on. Raises
        WorkError `bad_response`, which is transient, after LONGEST_WAIT_SECONDS without room.
        """
        if not self._budget.grant(self):
            await self._wait()
        return LARGE_BODY_BYTES + self.held

    async def _wait(self) -> None:
        self.turn = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                await self.turn
        except TimeoutError:
            raise WorkError(ErrorCode.BAD_RESPONSE, "too many large answers at once") from None
        finally:
            self.turn = None


class LargeBodies:
    """The large answers that one loop is reading, the one that began first in front."""

    def __init__(self) -> None:
        """Begin with none."""
        self._bodies: dict[LargeBody, None] = {}
        self._held = 0

    @contextmanager
    def reading(self) -> Iterator[LargeBody]:
        """Count a further large answer while it is read; at the end all that it held goes to those who wait."""
        body = LargeBody(self)
        self._bodies[body] = None
        try:
            yield body
        finally:
            del self._bodies[body]
            self._held -= body.held
            self._wake()

    def grant(self, body: LargeBody) -> bool:
        """Let `body` hold one STEP more; return whether there was room."""
        first = next(iter(self._bodies))
        room = LARGE_TOTAL - self._held
        if body is not first:
            room = LARGE_TOTAL - KEPT_FOR_FIRST - (self._held - first.held)
        if room < STEP:
            return False
        body.held += STEP
        self._held += STEP
        return True

    def _wake(self) -> None:
        for body in self._bodies:
            if body.turn is not None and not body.turn.done() and self.grant(body):
                body.turn.set_result(None)


_budgets: "WeakKeyDictionary[asyncio.AbstractEventLoop, LargeBodies]" = WeakKeyDictionary()


def large_bodies() -> LargeBodies:
    """Return the budget of the running loop."""
    return _budgets.setdefault(asyncio.get_running_loop(), LargeBodies())
