"""Faults that are short enough for every test run. tests/batches/test_with_workers.py has kill -9, pause and cancel."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from django.db import connection

from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.own_process import run_in_own_process

from .cases import CASES

pytestmark = [pytest.mark.worker, pytest.mark.slow]


@dataclass(frozen=True)
class Small:
    """A case with fewer rows, and how many checks it makes: one that stops half-way must not pass."""

    name: str
    checks: int
    rows: int
    options: dict[str, Any] = field(default_factory=dict)
    repeats: int = 1

    def __str__(self) -> str:
        return self.name


NO_LIMIT = {"limit": None}
# What they show does not depend on the database.
ONCE = (
    Small("redis-restart", 7, 1_000, NO_LIMIT),
    Small("redis-flush", 7, 1_000, NO_LIMIT),
    Small("junk", 17, 200, {"faulty": 4, "run_seconds": 2.0, "slots": 10}),
    Small("refusals", 5, 200, {"refused": 10, "retry_after": 1.0, "slots": 10}),
    Small("web-killed", 8, 20, repeats=2),
)
ON_BOTH = (
    Small("duplicates", 5, 200),
    Small("frozen-worker", 6, 300, {"seconds": 4.0, "lease_seconds": 2.0, "slots": 20, "settled": 1.5}),
    Small("poison", 5, 100, {"slots": 10, "lease_seconds": 2.0}),
)
ON_POSTGRESQL = Small("postgres", 4, 1_500, {"down_seconds": 2.0})


def assert_passes(small: Small, database: str) -> None:
    """Run the case in a process of its own. Each of its checks has to pass."""
    (case,) = [case for case in CASES if case.name == small.name]
    case = replace(case, options={**case.options, **small.options})
    result = run_in_own_process(case, database, Size(small.rows, small.repeats), None)
    assert not [check for check in result.lines if not check.ok]
    assert result.error is None
    assert len(result.lines) == small.checks


@pytest.mark.parametrize("small", ONCE, ids=str)
def test_fault_leaves_the_batch_whole(small: Small):
    assert_passes(small, "sqlite")


@pytest.mark.django_db
@pytest.mark.parametrize("small", ON_BOTH, ids=str)
def test_fault_leaves_the_batch_whole_on_either_database(small: Small):
    assert_passes(small, connection.vendor)


@pytest.mark.django_db
def test_lost_database_leaves_the_batch_whole():
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no server to lose")
    assert_passes(ON_POSTGRESQL, "postgresql")
