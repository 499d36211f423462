"""The command lines of both programs, and the tables they print."""

import importlib
import inspect

import pytest

from tests.benchmarks import __main__ as bench
from tests.benchmarks.cases import CASES
from tests.benchmarks.figure import Figure, spread
from tests.benchmarks.rig.case import Case, Result
from tests.benchmarks.rig.program import chosen_cases, parse_arguments
from tests.benchmarks.rig.table import table
from tests.faults import __main__ as faults
from tests.faults.cases import CASES as FAULTS
from tests.faults.check import Injection


def chosen(*arguments: str) -> list[str]:
    return [case.name for case in chosen_cases(CASES, parse_arguments("program", "about", CASES, arguments))]


def test_long_cases_run_only_when_asked_for():
    assert "growth" not in chosen()
    assert "growth" in chosen("--long")
    assert "million" not in chosen()
    assert chosen("--only", "growth") == ["growth"]
    assert chosen("--only", "launch", "--only", "in-flight") == ["launch", "in-flight"]


@pytest.mark.parametrize("arguments", [["--only", "nothing"], ["--rows", "0"], ["--database", "oracle"]])
def test_wrong_arguments_are_refused(arguments: list[str]):
    with pytest.raises(SystemExit) as refused:
        chosen(*arguments)
    assert refused.value.code == 2


@pytest.mark.parametrize("cases", [CASES, FAULTS])
def test_case_names_are_unique(cases: tuple[object, ...]):
    names = [case.name for case in cases]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_benchmark_takes_its_options(case: Case):
    inspect.signature(importlib.import_module(case.module).run).bind(None, None, **case.options)


def test_table_is_markdown_without_repeated_beginnings():
    lines = [("launch", "sqlite", "a|b"), ("launch", "sqlite", "c\nd"), ("launch", "postgresql", "c d")]
    assert table(("case", "database", "value"), lines).splitlines() == [
        "| case   | database   | value |",
        "| ------ | ---------- | ----- |",
        "| launch | sqlite     | a/b   |",
        "|        |            | c d   |",
        "|        | postgresql | c d   |",
    ]


def test_repeats_show_their_spread():
    assert spread([3.0, 1.0, 2.0], "s") == "2.00 s (1.00 to 3.00)"
    assert spread([1234.5], "runs/s", 0) == "1,234 runs/s"


def test_failed_benchmark_keeps_its_figures_and_says_why():
    result = Result(CASES[0], "sqlite", [Figure("run", "1 s", "2 s")], 1.0, "it broke")
    assert bench.lines_of(result) == [
        ("launch", "sqlite", "run", "1 s", "2 s"),
        ("launch", "sqlite", "did not end", "it broke", ""),
    ]


@pytest.mark.parametrize(
    ("ok", "error", "verdicts"),
    [(True, None, ["PASS"]), (False, None, ["FAIL"]), (True, "it broke", ["PASS", "FAIL"])],
)
def test_fault_fails_by_a_check_or_by_not_ending(ok: bool, error: str | None, verdicts: list[str]):
    check = Injection("something").expect("good", "measured", ok)
    result = Result(FAULTS[0], "sqlite", [check], 1.0, error)
    assert [line[-1] for line in faults.lines_of(result)] == verdicts


def test_fault_that_checked_nothing_fails():
    assert [line[-1] for line in faults.lines_of(Result(FAULTS[0], "sqlite", [], 1.0))] == ["FAIL"]


@pytest.mark.parametrize(("seconds", "ok"), [(1.0, True), (2.1, False), (None, False)])
def test_what_never_happens_is_not_in_time(seconds: float | None, ok: bool):
    assert Injection("something").at_most("ended", seconds, 2.0).ok is ok
