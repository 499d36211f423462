"""What a 429 does: nobody who uses the key calls before the time that the provider told.

This process closes its gates at once, the limiter tells all others, and the database remembers it over a loss of Redis.
"""

from collections.abc import Coroutine
from typing import Any, Protocol

import structlog
from django.db.models import Q
from redis.exceptions import RedisError

from credentials.models import Credential, ProviderModel
from workers.engine import Engine
from workers.errors import WorkError
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.types import Bucket

from .clock import now_plus
from .dispatcher import Dispatcher
from .gate import Gate

log = structlog.get_logger(__name__)

# What is added to a told time: refusals that arrive within it of each other are one.
NEWS_SECONDS = 0.25
# A model of a pool whose key was refused, whose quota is used up, or which is not there is tried again this often.
BROKEN_SECONDS = 60.0
# A shorter block is over before anybody could read it in the database.
WORTH_STORING_SECONDS = 1.0


class Spawn(Protocol):
    """Starts work on the loop and keeps it from being collected."""

    def __call__(self, work: Coroutine[Any, Any, None]) -> None:
        """Start `work`."""
        ...


class Blocks:
    """The blocks of one process. Used from the engine's loop alone."""

    def __init__(self, engine: Engine, dispatcher: Dispatcher, limiter: Limiter, spawn: Spawn) -> None:
        """Close gates of `dispatcher`, tell `limiter` and the database."""
        self._engine = engine
        self._dispatcher = dispatcher
        self._limiter = limiter
        self._spawn = spawn

    def refused(self, gate: Gate, error: WorkError) -> None:
        """Act on a 429 that a call through `gate` met."""
        left = gate.closed_until - self._engine.loop.time()
        if left > 0 and (error.retry_after or 0.0) <= left:
            # One of several that were on their way together.
            return
        # The others of this round may be told a little more, and are not news then.
        seconds = gate.refusal_seconds(error.retry_after) + NEWS_SECONDS
        is_whole = not error.is_of_one_model
        self.close(gate.bucket.credential, None if is_whole else gate.bucket.model, seconds)
        log.warning(
            "provider_refused", credential=gate.bucket.credential, model=gate.bucket.model, seconds=round(seconds, 2)
        )
        self._spawn(self._tell(gate.bucket, seconds, is_whole, error.message))

    def broken(self, bucket: Bucket, error: WorkError) -> None:
        """Close the gate of a pool's model that cannot be used for a while, so that the others take its calls.

        One that is closed for that already is not closed for longer: calls may still meet it that wait for it, or that
        were on their way together.
        """
        gate, now = self._dispatcher.gate(bucket), self._engine.loop.time()
        if gate.why_broken(now) is not None:
            return
        log.warning(
            "pool_model_broken",
            credential=bucket.credential,
            model=bucket.model,
            code=str(error.code),
            seconds=BROKEN_SECONDS,
        )
        gate.break_off(error, now + BROKEN_SECONDS)
        self._dispatcher.schedule()

    def close(self, credential: int, model: str | None, seconds: float) -> None:
        """Let no call of a credential, or of one model of it, start for `seconds`: known here or told by others."""
        for bucket, gate in self._dispatcher.gates.items():
            if bucket.credential == credential and model in (None, bucket.model):
                self._dispatcher.close(gate, seconds)

    async def listen(self) -> None:
        """Close gates when other processes are told to wait, for ever."""
        await self._limiter.listen(self.close)

    async def _tell(self, bucket: Bucket, seconds: float, is_whole: bool, reason: str) -> None:
        try:
            await self._limiter.block(bucket, seconds, whole_credential=is_whole, reason=reason[:200])
        except RedisError as error:
            # Without Redis nobody starts anything; the database has it when it is back.
            log.warning("block_untold", error=type(error).__name__)
        if seconds >= WORTH_STORING_SECONDS:
            await self._engine.run_db(store_block, bucket, seconds, is_whole)


def store_block(bucket: Bucket, seconds: float, is_whole: bool) -> None:
    """Remember that nobody may use a credential, or one model of it, for `seconds`; the longest time wins."""
    until = now_plus(seconds)
    earlier = Q(blocked_until=None) | Q(blocked_until__lt=until)
    if is_whole:
        Credential.objects.filter(earlier, pk=bucket.credential).update(blocked_until=until)
        return
    row, _ = ProviderModel.objects.get_or_create(credential_id=bucket.credential, name=bucket.model)
    ProviderModel.objects.filter(earlier, pk=row.pk).update(blocked_until=until)
