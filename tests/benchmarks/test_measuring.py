"""What the figures are made from: the timeline of a server, memory over time, the program that is compared with."""

import os

import pytest

from tests.benchmarks.api_client import Load
from tests.benchmarks.api_load import ApiClient
from tests.benchmarks.limits import share_used
from tests.benchmarks.plain_sdk import PlainClient
from tests.benchmarks.rig.meter import MB, Meter
from tests.support.provider_server import ProviderServer


@pytest.mark.parametrize(
    ("timeline", "share"),
    [
        ([20] * 62 + [20] * 30, 1.0),
        ([20] * 60 + [10] * 30 + [500, 500], 0.5),
        ([90] * 60 + [20] * 20, 1.0),
        ([20] * 71, None),
        ([20] * 30, None),
        ([], None),
    ],
)
def test_use_counts_after_the_first_minute_and_before_the_end(timeline: list[int], share: float | None):
    assert share_used(timeline, 1_200) == share


def test_meter_sees_memory_grow():
    with Meter([os.getpid()]) as meter:
        block = b"x" * 50 * MB
    assert len(block) == 50 * MB
    assert 45 <= meter.growth_mb <= 100
    assert meter.pss_mb_at(0) + 45 <= meter.pss_mb_at(1) == meter.peak_pss_mb


def test_plain_client_keeps_to_its_ceiling_and_tells_what_it_took():
    with ProviderServer(latency=0.1) as server, PlainClient(server.base_url, in_flight=4) as plain:
        first, second = plain.gather(8), plain.gather(12)
        stats = server.stats()
    assert (stats["completed"], stats["max_in_flight"]) == (20, 4)
    assert first.wall >= 0.2
    assert 0.3 <= second.wall < 5
    assert 0 < second.cpu <= second.wall + 0.1


def test_plain_client_that_fails_says_so():
    with ProviderServer() as server, PlainClient(server.base_url, in_flight=4) as plain:
        server.configure(faults={"bad_request": 1.0})
        with pytest.raises(RuntimeError, match="plain_client ended"):
            plain.gather(2)


@pytest.mark.parametrize("kind", ["aiohttp", "openai"])
def test_api_client_keeps_its_callers_busy_and_tells_what_each_call_took(kind: str):
    with ProviderServer(latency=0.1) as server, ApiClient() as client:
        load = Load(server.base_url, ["one", "two", "three"], ["fake-small"], calls=10, in_flight=4, client=kind)
        answered = client.call(load)
        stats = server.stats()
    assert (stats["completed"], stats["max_in_flight"]) == (10, 4)
    assert set(stats["by_key"]) == {"one", "two", "three"}
    assert len(answered.seconds) == 10
    assert 0.1 <= answered.p50 <= answered.p95
    assert answered.began < stats["last_received_at"] < answered.began + answered.wall


def test_api_client_takes_no_wrong_answer():
    with (
        ProviderServer(reply="fixed") as server,
        ApiClient() as client,
        pytest.raises(RuntimeError, match="api_client ended"),
    ):
        client.call(Load(server.base_url, ["one"], ["fake-small"], calls=1, in_flight=1))
