import re
from datetime import UTC, datetime

import pytest

from agents.abilities.now import now
from workers.errors import InvalidInput


def test_tells_the_moment_in_utc_by_default():
    told, day = now().split(" (")

    assert abs((datetime.now(UTC) - datetime.fromisoformat(told)).total_seconds()) < 5
    assert told.endswith("+00:00")
    assert day.rstrip(")") == datetime.fromisoformat(told).strftime("%A")


def test_tells_it_in_a_zone():
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+05:45 \(\w+day\)", now("Asia/Kathmandu"))


@pytest.mark.parametrize("zone", ["", "Mars", "../../etc/passwd", "/etc/passwd", "Europe", "a\x00b", "x" * 10_000])
def test_a_zone_that_does_not_exist_is_told(zone):
    with pytest.raises(InvalidInput, match="no time zone"):
        now(zone)
