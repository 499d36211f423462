"""A case runs on servers of its own, in bounded time, and what it yielded before a failure is kept."""

from pathlib import Path

import pytest

from tests.benchmarks.rig.case import Case, Size
from tests.benchmarks.rig.own_process import run_in_own_process

TRIAL = "tests.benchmarks.rig.trial"


@pytest.mark.parametrize(
    ("ending", "seconds", "error"),
    [("failure", 60, "RuntimeError: told to fail"), ("sleep", 10, "OutOfTime: it took longer than it may")],
)
def test_lines_before_the_end_are_kept(ending: str, seconds: int, error: str, tmp_path: Path):
    case = Case("trial", TRIAL, "a trial", rows=1, seconds=seconds, options={"ending": ending})
    result = run_in_own_process(case, "sqlite", Size(rows=7, repeats=1), tmp_path)
    assert result.lines == ["sqlite, 7 rows, Redis answers: True"]
    assert result.error == error
    assert result.seconds < 30


def test_case_that_cannot_be_loaded_says_so():
    case = Case("missing", "tests.benchmarks.no_such_module", "none", rows=1, seconds=60)
    result = run_in_own_process(case, "sqlite", Size(1, 1), None)
    assert result.lines == []
    assert result.error == "ModuleNotFoundError: No module named 'tests.benchmarks.no_such_module'"
