"""The connections to Redis."""

import asyncio
import os
import signal
import time

import pytest
import redis

from workers import redis as redis_module
from workers.embedded.valkey import EmbeddedValkey
from workers.redis import async_connection, close_async_connection, connection


def test_threads_share_one_client_and_answers_are_bytes() -> None:
    assert connection() is connection()
    connection().set("name", "Äpfel")
    assert connection().get("name") == "Äpfel".encode()


def test_a_fork_talks_over_a_connection_of_its_own() -> None:
    mine = connection().client_id()
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, str(connection().client_id()).encode())
        os._exit(0)
    os.wait()
    assert int(os.read(reader, 20)) != mine
    assert connection().client_id() == mine
    os.close(reader)
    os.close(writer)


async def test_more_callers_than_connections_wait_for_their_turn() -> None:
    values = await asyncio.gather(*(async_connection().incr("count") for _ in range(500)))
    assert sorted(values) == list(range(1, 501))
    clients = await async_connection().client_list()
    assert len(clients) <= 40
    await close_async_connection()


async def test_each_loop_has_its_own_client() -> None:
    mine = async_connection()
    assert async_connection() is mine

    async def other() -> bool:
        answer = await async_connection().ping() and async_connection() is not mine
        await close_async_connection()
        return answer

    assert await asyncio.to_thread(asyncio.run, other())
    assert await mine.ping()
    await close_async_connection()
    assert async_connection() is not mine


def test_a_restart_of_the_server_is_not_noticed(embedded: EmbeddedValkey, settings) -> None:
    embedded.ensure()
    settings.REDIS_URL = f"unix://{embedded.server.socket_path}"
    connection().set("kept", 1)
    embedded.stop()
    embedded.ensure()
    assert connection().get("kept") == b"1"


def test_a_frozen_server_fails_the_call_in_bounded_time(
    embedded: EmbeddedValkey, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert redis_module.SOCKET_TIMEOUT < 5, "the web has to answer within 5 s"
    monkeypatch.setattr(redis_module, "SOCKET_TIMEOUT", 0.5)
    embedded.ensure()
    settings.REDIS_URL = f"unix://{embedded.server.socket_path}"
    connection().ping()
    process = embedded.server.process()
    process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(redis.TimeoutError):
        connection().ping()
    assert time.monotonic() - began < 1.5
    process.send_signal(signal.SIGCONT)
    assert connection().ping()
