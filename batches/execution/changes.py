"""Acting at once on what users change of a batch or a run at work, when they tell (see batches.telling)."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import orjson
import structlog
from redis.exceptions import RedisError

from batches.telling import CHANGES, ENDED_RUNS, HEARD_SECONDS, heard_key
from workers.redis import async_connection
from workers.subscription import subscribe

log = structlog.get_logger(__name__)


async def listen_for_changes(
    look: Callable[[int], Awaitable[None]], spawn: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    """For ever: have `look` act on each batch that was changed, and tell who waits for it; `spawn` starts the work."""
    await subscribe(CHANGES, lambda data: spawn(_act(look, *_parse(data))), unheard="change_unheard")


async def listen_for_cancels(cut: Callable[[int], None]) -> None:
    """For ever: have `cut` act on each single run that was cancelled; the heartbeat sees those whose word is lost."""
    await subscribe(ENDED_RUNS, lambda data: cut(int(data)), unheard="cancel_unheard")


async def _act(look: Callable[[int], Awaitable[None]], batch_id: int, word: str) -> None:
    try:
        await look(batch_id)
        async with async_connection().pipeline(transaction=False) as pipe:
            pipe.rpush(heard_key(word), 1)
            pipe.expire(heard_key(word), HEARD_SECONDS)
            await pipe.execute()
    except RedisError as error:
        # Who waits for the word does not wait for long.
        log.warning("change_unanswered", error=type(error).__name__)
    except Exception as error:
        # The look of every second sees to it.
        log.error("refresh_failed", error=type(error).__name__)


def _parse(data: bytes) -> tuple[int, str]:
    """Return the batch and the word. Raises ValueError or TypeError where `data` tells of no change."""
    batch_id, word = orjson.loads(data)
    if not isinstance(batch_id, int) or not isinstance(word, str):
        raise ValueError("a change is [batch, word]")
    return batch_id, word
