"""Requests counted over a window that slides."""

import threading
import time

from workers.redis import connection
from workers.request_counter import Count, count_request


def fill(name: str, limit: int, seconds: int) -> list[Count]:
    return [count_request(name, limit, seconds) for _ in range(limit)]


def begin_of_window(seconds: int) -> None:
    """Sleep until a window of Redis' clock begins, so that nothing slides while a test counts."""
    now, fraction = connection().time()
    time.sleep(seconds - (now + fraction / 1e6) % seconds)


def test_each_request_leaves_one_less_and_the_next_is_refused():
    begin_of_window(1)
    assert [count.remaining for count in fill("a", 5, 1)] == [4, 3, 2, 1, 0]
    refused = count_request("a", 5, 1)
    assert (refused.remaining, 0 < refused.retry_after <= 2) == (0, True)
    assert refused.reset >= refused.retry_after
    assert count_request("b", 5, 1).retry_after == 0.0


def test_who_waits_as_long_as_he_was_told_is_let_through():
    begin_of_window(1)
    fill("a", 5, 1)
    refused = count_request("a", 5, 1)
    time.sleep(refused.retry_after + 0.01)
    assert count_request("a", 5, 1).retry_after == 0.0


def test_a_refused_request_counts_for_nothing():
    begin_of_window(1)
    fill("a", 3, 1)
    for _ in range(20):
        count_request("a", 3, 1)
    time.sleep(count_request("a", 3, 1).retry_after + 0.01)
    assert count_request("a", 3, 1).retry_after == 0.0


def test_about_the_limit_is_let_through_within_any_window():
    limit = 20
    granted: list[float] = []
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        if count_request("a", limit, 1).retry_after == 0.0:
            granted.append(time.monotonic())
        time.sleep(0.3 / limit)
    most = max(sum(moment <= other < moment + 1 for other in granted) for moment in granted)
    # Within a window what came before is taken to have come evenly, so that a burst at its end weighs too little.
    assert limit <= most <= 1.6 * limit
    assert len(granted) <= 2.7 * limit


def test_many_at_once_get_no_more_than_there_is():
    begin_of_window(1)
    counts: list[Count] = []
    threads = [
        threading.Thread(target=lambda: counts.extend(count_request("a", 25, 1) for _ in range(10))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(count.retry_after == 0.0 for count in counts) == 25


def test_what_is_over_is_forgotten():
    count_request("a", 5, 1)
    assert 0 < connection().ttl("arboretum:requests:a") <= 2
