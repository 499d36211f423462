"""Lua scripts in Redis: sent whole once, called by name from then on."""

import hashlib
from collections.abc import Sequence
from typing import Any

from redis.exceptions import NoScriptError

from .redis import async_connection, connection


class Script:
    """A Lua script and its name on the server."""

    def __init__(self, text: str) -> None:
        """`text` is Lua 5.1 as Redis 6.2 runs it."""
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


async def run_script(script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    """Return the script's answer, over the running event loop's connections. Raises redis.RedisError."""
    client = async_connection()
    try:
        return await client.evalsha(script.sha, len(keys), *keys, *arguments)
    except NoScriptError:
        return await client.eval(script.text, len(keys), *keys, *arguments)


def run_script_sync(script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    """Return the script's answer, over the threads' connections. Raises redis.RedisError."""
    client = connection()
    try:
        return client.evalsha(script.sha, len(keys), *keys, *arguments)
    except NoScriptError:
        return client.eval(script.text, len(keys), *keys, *arguments)
