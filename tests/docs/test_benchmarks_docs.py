"""docs/benchmarks.md tells every benchmark and fault that there is, and no other."""

import re

import pytest

from tests.benchmarks.__main__ import HEAD
from tests.benchmarks.cases import CASES
from tests.benchmarks.rig.case import Case
from tests.faults.__main__ import HEAD as FAULT_HEAD
from tests.faults.cases import CASES as FAULTS

from .documents import one_line, sections, text_of

TEXT = text_of("docs/benchmarks.md")
SECTIONS = sections(TEXT)


def told(section: str) -> set[str]:
    """Return the names in the first column of a section's table."""
    rows = [line.split("|")[1] for line in SECTIONS[section].splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}


def test_every_benchmark_is_told_and_no_other() -> None:
    assert told("Benchmarks") == {case.name for case in CASES}


def test_every_fault_is_told_and_no_other() -> None:
    assert told("Faults") == {case.name for case in FAULTS}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_cases_that_run_only_when_asked_for_are_marked(case: Case) -> None:
    assert (f"`{case.name}` (long)" in SECTIONS["Benchmarks"]) is case.long


def test_the_tables_of_results_have_the_columns_that_the_programs_print() -> None:
    assert f"| {' | '.join(HEAD)} |" in re.sub(" +", " ", SECTIONS["Measured"])
    assert f"| {' | '.join(FAULT_HEAD)} |" in re.sub(" +", " ", SECTIONS["Faults measured"])


def test_the_usual_size_of_a_fault_is_told() -> None:
    usual = max({case.rows for case in FAULTS}, key=lambda rows: sum(case.rows == rows for case in FAULTS))
    assert f"Every batch has {usual:,} rows unless its case says other" in one_line(TEXT)
