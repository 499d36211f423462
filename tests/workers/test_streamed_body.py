"""Bodies that are read while they come: who sends too slowly is cut."""

import asyncio

import pytest

from workers import streamed_body
from workers.streamed_body import BodyLost, StreamedBody


async def test_a_body_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(streamed_body, "SILENCE_SECONDS", 0.2)
    monkeypatch.setattr(streamed_body, "SLOWEST_PACE", 10_000)

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    body = StreamedBody(receive)
    async with asyncio.timeout(5):
        with pytest.raises(BodyLost, match="too slowly"):
            await body.read(1_000)
        with pytest.raises(BodyLost):
            await body.read(1_000)
        await body.receive()
        assert await body.receive() == {"type": "http.disconnect"}


async def test_a_body_at_a_fair_pace_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(streamed_body, "SILENCE_SECONDS", 0.2)
    pieces = iter([b"a" * 10, b"b" * 10, b"c"])

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.05)
        piece = next(pieces)
        return {"type": "http.request", "body": piece, "more_body": piece != b"c"}

    body = StreamedBody(receive)
    assert [await body.read(15), await body.read(15), await body.read(15)] == [b"a" * 10 + b"b" * 10, b"c", b""]
