"""A run's meter: each of its calls passes the gate of its model, and tells it how it ended."""

import asyncio
import time
from collections.abc import Callable

from agents.llm.parameters import answer_limit
from agents.llm.tokens import estimate_request_tokens
from agents.llm.types import Completion, CompletionRequest
from workers.errors import ErrorCode, WorkError
from workers.ratelimit.types import Bucket

from .agents_cache import LoadedModel
from .dispatcher import LATE_SECONDS, Dispatcher
from .gate import Gate
from .permits import Need, Permit

# Between the start of a run and its first call no more than this should pass where calls are paced.
PREPARING_SECONDS = 0.2

OnRefused = Callable[[Gate, WorkError], None]
GateOf = Callable[[LoadedModel], Gate]


class RunMeter:
    """Admits the calls of one run. `waited` is how long they waited, `first_waited` the first of them, in seconds."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        gate: Gate,
        need: Need,
        permit: Permit | None,
        on_refused: OnRefused,
        on_begin: Callable[[], None],
        gate_of: GateOf,
        *,
        has_slot: bool,
    ) -> None:
        """Use `permit` for the first call; a run without one waits for it. A slot is given back while a call waits.

        `on_refused` is told of each 429, `on_begin` when the run has waited and its first call starts; `gate_of` gives
        the gate of another model of the run's pool.
        """
        self.waited = 0.0
        self.first_waited = 0.0
        self.is_probe = permit is not None and permit.is_probe
        self._dispatcher = dispatcher
        self._gate = gate
        self._need = need
        self._permit = permit
        self._has_slot = has_slot
        self._has_begun = False
        self._on_refused = on_refused
        self._on_begin = on_begin
        self._gate_of = gate_of

    @property
    def bucket(self) -> Bucket:
        """What limits the model that is called now."""
        return self._gate.bucket

    @property
    def holds_permit(self) -> bool:
        """Whether the next call may start at once."""
        return self._permit is not None and self._permit.is_open

    def is_held_back(self, bucket: Bucket) -> bool:
        """Whether a limit, a block or a failing provider keeps calls of a model waiting now."""
        gate = self._dispatcher.gate(bucket)
        return gate.is_held_back(asyncio.get_running_loop().time())

    def why_broken(self) -> WorkError | None:
        """Return why the model that is called now cannot be used; None where it can, now or when its limits allow."""
        return self._gate.why_broken(asyncio.get_running_loop().time())

    def move(self, model: LoadedModel) -> None:
        """Let the calls from now on go to another model; a permit that was not used is given back."""
        self.close()
        self._gate, self._permit = self._gate_of(model), None

    async def admit(self, request: CompletionRequest) -> float:
        """Return when the call may start, and how many seconds that took."""
        if self._permit is not None and not self._has_begun:
            if not _is_too_late(self._permit):
                self._has_begun = True
                return 0.0
            # The store was slow, or knew the first answers of a run with tools.
            self.close()
        started = time.monotonic()
        if self._has_begun:
            self._need = Need(estimate_request_tokens(request), answer_limit(request.parameters))
        try:
            self._permit = await self._wait()
        finally:
            waited = time.monotonic() - started
            self.waited += waited
        self.is_probe = self._permit.is_probe
        if not self._has_begun:
            # A pool's call may have waited for several models.
            self._has_begun, self.first_waited = True, self.waited
            self._on_begin()
        return waited

    async def _wait(self) -> Permit:
        """Wait without holding a slot, and take it again however many there are: who has begun goes before others."""
        if not self._has_slot:
            return await self._dispatcher.admit(self._gate, self._need, first=self._has_begun)
        self._dispatcher.give_slot_back()
        try:
            return await self._dispatcher.admit(self._gate, self._need, first=True)
        finally:
            self._dispatcher.slots.take_beyond()

    def finished(self, completion: Completion, seconds: float) -> None:
        """Settle the call with its true usage."""
        if self._permit is not None:
            self._gate.end_answered(self._permit, self._need, completion, seconds)
            self._dispatcher.schedule()

    def failed(self, error: BaseException, seconds: float) -> None:
        """Settle a call without an answer; after a 429 nobody who uses the key calls for a while."""
        if self._permit is None or not self._permit.is_open:
            return
        self._gate.end_failed(self._permit, error, seconds)
        if isinstance(error, WorkError) and error.code is ErrorCode.RATE_LIMITED:
            self._on_refused(self._gate, error)
        self._dispatcher.schedule()

    def retry_wait(self) -> float:
        """Return the seconds until the budget has room for one more retry."""
        return self._gate.retries.wait()

    def close(self) -> None:
        """Give back a permit that was never used."""
        if self._permit is not None and self._permit.is_open:
            self._gate.end_unused(self._permit)
            self._dispatcher.schedule()


def _is_too_late(permit: Permit) -> bool:
    """Whether a call that began now would be too late for its pace, and might break the limit of a later window."""
    latest = permit.due + LATE_SECONDS + PREPARING_SECONDS
    return permit.is_paced and asyncio.get_running_loop().time() > latest
