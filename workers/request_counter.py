"""Requests counted over the last minute or so, in one call of Redis.

The window slides: what was counted in the window before is weighed with the share of it that still lies within the last
`seconds`, as if it had come evenly. Two numbers are enough for that, however many requests there are.
"""

from dataclasses import dataclass

from .redis import connection

# KEYS[1]: the counter. ARGV: limit, seconds. Returns remaining, and in microseconds: until all are free, until one is.
_SCRIPT = """
local limit, length = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local window = math.floor(now / length)
local passed = now - window * length
local kept = redis.call('HMGET', KEYS[1], 'window', 'count', 'before')
local last, count, before = tonumber(kept[1]), tonumber(kept[2]), tonumber(kept[3])
if last ~= window then
  before = (last == window - 1) and count or 0
  count = 0
end
local used = before * (1 - passed / length) + count
local wait = 0
if used + 1 <= limit then
  count = count + 1
  used = used + 1
elseif count + 1 <= limit then
  wait = math.max(0.001, length * (1 - (limit - 1 - count) / before) - passed)
else
  wait = length - passed + length * (1 - (limit - 1) / count)
end
redis.call('HSET', KEYS[1], 'window', window, 'count', count, 'before', before)
redis.call('EXPIRE', KEYS[1], 2 * length)
local reset = (count > 0 and 2 * length or length) - passed
return {math.floor(limit - used), math.ceil(reset * 1000000), math.ceil(wait * 1000000)}
"""


@dataclass(frozen=True, slots=True)
class Count:
    """How a request stands: how many more may come now, and in seconds until all may and until the next may.

    `retry_after` is 0.0 where the request was counted; one that is refused counts for nothing.
    """

    remaining: int
    reset: float
    retry_after: float


def count_request(name: str, limit: int, seconds: int) -> Count:
    """Count a request under `name`, of which `limit` may come within `seconds`. Raises redis.RedisError."""
    script = connection().register_script(_SCRIPT)
    remaining, reset, wait = script(keys=[f"arboretum:requests:{name}"], args=[limit, seconds])
    return Count(max(0, int(remaining)), int(reset) / 1e6, int(wait) / 1e6)
