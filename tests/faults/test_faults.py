"""A fault that is short enough for every test run: each message delivered three times."""

import pytest

from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.own_process import run_in_own_process
from tests.faults.cases import CASES

pytestmark = [pytest.mark.worker, pytest.mark.slow]


def test_messages_delivered_three_times_do_nothing_twice():
    (case,) = [case for case in CASES if case.name == "duplicates"]
    result = run_in_own_process(case, "sqlite", Size(rows=200, repeats=1), None)
    assert result.error is None
    assert len(result.lines) == 5
    assert not [check for check in result.lines if not check.ok]
