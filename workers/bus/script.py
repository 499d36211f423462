"""How messages are written: to the stream of their topic and to who listens, in one round trip for many."""

from collections.abc import Sequence
from typing import Any

from workers.scripts import Script, run_script, run_script_sync

from .topics import KEPT_MESSAGES, KEPT_SECONDS, key_of

# What a listener hears begins with the message's id, and a blank.
_TELL = Script("""
for place, key in ipairs(KEYS) do
  local data = ARGV[place + 2]
  local id = redis.call('XADD', key, 'MAXLEN', '~', ARGV[2], '*', 'd', data)
  redis.call('EXPIRE', key, ARGV[1])
  redis.call('PUBLISH', key, id .. ' ' .. data)
end
""")

TopicData = tuple[str, bytes]


async def write(messages: Sequence[TopicData]) -> None:
    """Write pairs of topic and data, in order, from an event loop. Raises redis.RedisError."""
    await run_script(_TELL, *_call(messages))


def write_sync(messages: Sequence[TopicData]) -> None:
    """Write pairs of topic and data, in order, from a thread, which may wait for Redis. Raises redis.RedisError."""
    run_script_sync(_TELL, *_call(messages))


def _call(messages: Sequence[TopicData]) -> tuple[list[str], list[Any]]:
    keys = [key_of(topic) for topic, _ in messages]
    return keys, [KEPT_SECONDS, KEPT_MESSAGES, *(data for _, data in messages)]
