"""Listening for the blocks that any process publishes."""

import json
import math
from collections.abc import Callable

from workers.subscription import subscribe

from .keys import BLOCKS

OnBlock = Callable[[int, str | None, float], None]


async def listen_for_blocks(on_block: OnBlock) -> None:
    """For ever: call on_block(credential, model or None, seconds left); a lost connection is made anew.

    A message that is no block, or that on_block raises for, is logged and passed over.
    """
    await subscribe(BLOCKS, lambda data: on_block(*_parse(data)), unheard="block_unheard")


def _parse(data: bytes) -> tuple[int, str | None, float]:
    """Return credential, model and seconds. Raises ValueError or TypeError where `data` is no block."""
    credential, model, seconds = json.loads(data)
    if not isinstance(credential, int) or not isinstance(model, str | None) or not math.isfinite(seconds):
        raise ValueError("a block is [credential, model or null, seconds]")
    return credential, model, seconds
