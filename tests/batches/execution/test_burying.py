"""Burying the dead: what others make of the journal of a process that died."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from batches.execution import burying, journal_records
from batches.execution.burying import bury_dead, store_journal
from batches.execution.journal import Journal, journal_folder, journal_path
from batches.execution.leases import open_lease
from batches.execution.outcomes import EventRecord
from batches.execution.reaping import reap, reap_process
from batches.execution.storing import store_outcomes
from batches.execution.suspects import claim_slice
from batches.models import Attempt, Lease, Run, RunEvent, RunEventKind
from batches.states import RunState
from tests.support.factories import make_batch

from .dying import DEAD, come_round, content, died_after
from .helpers import claim, expire_leases, retried, success

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_journals")]

CHILD = f"{DEAD}:q0"


def test_what_a_dead_process_had_ended_is_stored_and_what_only_waited_is_given_back() -> None:
    batch = make_batch(rows=3)
    ended, started, waiting = claim(batch, process=DEAD)

    def live(journal: Journal) -> None:
        for run in (ended, started, waiting):
            journal.waits(run.key)
        journal.starts(ended.key)
        journal.starts(started.key)
        journal.ends(success(ended, "the answer"))

    died_after(live)
    assert bury_dead() == 1
    states = Run.objects.of_batch(batch.pk).values_list("state", "attempt", "crashes", "crash_slice", "output")
    assert list(states) == [
        (RunState.SUCCEEDED, 1, 0, None, "the answer"),
        (RunState.PENDING, 1, 1, 1, None),
        (RunState.PENDING, 0, 0, None, None),
    ]
    assert set(Attempt.objects.values_list("run", "outcome")) == {(ended.id, "succeeded"), (started.id, "crashed")}
    assert not Lease.objects.filter(released_at=None).exists()
    assert list(journal_folder().iterdir()) == []


def test_an_outcome_is_read_as_it_was_written() -> None:
    (run,) = claim(make_batch(rows=1), process=DEAD)
    outcome = retried(run, 2.5)
    spent = outcome.spent
    spent.started_at, spent.cost, spent.first_token_ms = (
        datetime(2026, 5, 4, 3, 2, 1, 9, UTC),
        Decimal("0.000000001"),
        7,
    )
    spent.events.append(EventRecord(RunEventKind.ERROR, {"code": "timeout", "größe": [1, None]}, spent.started_at))
    died_after(lambda journal: journal.ends(outcome))
    (found,) = content().outcomes
    assert (found.spent, found.kind, found.state, found.delay) == (spent, outcome.kind, outcome.state, 2.5)
    assert (found.run.key, found.run.token, found.error_code) == (run.key, run.token, "timeout")
    assert run.input_json.encode() not in journal_path(DEAD).read_bytes()
    bury_dead()
    row = Run.objects.get(pk=run.id)
    assert (row.state, row.tries, row.cost, row.not_before is not None) == ("pending", 1, Decimal("0.000000001"), True)
    assert RunEvent.objects.get(run=run.id).data == {"code": "timeout", "größe": [1, None]}


def test_a_living_process_is_left_alone(loop: asyncio.AbstractEventLoop) -> None:
    (run,) = claim(make_batch(rows=1), process=DEAD)
    journal = Journal(DEAD, loop)
    journal.ends(success(run))
    come_round(loop)
    assert bury_dead() == 0
    assert store_journal(DEAD) is None
    assert Run.objects.get(pk=run.id).state == RunState.RUNNING
    journal.close()


def test_what_was_stored_already_is_not_stored_again() -> None:
    batch = make_batch(rows=1)
    (run,) = claim(batch, process=DEAD)
    store_outcomes([success(run, "first")])
    died_after(lambda journal: journal.ends(success(run, "second")))
    assert bury_dead() == 1
    assert Run.objects.get(pk=run.id).output == "first"
    batch.refresh_from_db()
    assert batch.cost == success(run).spent.cost


def test_the_cost_of_an_answer_that_comes_too_late_is_kept() -> None:
    (run,) = claim(make_batch(rows=1), process=DEAD)
    reap_process(DEAD, is_gone=True)
    died_after(lambda journal: journal.ends(success(run)))
    bury_dead()
    row = Run.objects.get(pk=run.id)
    assert (row.state, row.cost) == (RunState.PENDING, success(run).spent.cost)
    assert Attempt.objects.get(run=run.id).outcome == "stale"


def test_what_was_written_before_the_last_boot_or_elsewhere_proves_no_death(monkeypatch: pytest.MonkeyPatch) -> None:
    answered, waiting = claim(make_batch(rows=2), process=DEAD)
    died_after(lambda journal: (journal.waits(waiting.key), journal.ends(success(answered))))
    monkeypatch.setattr(journal_records, "boot_id", lambda: "another")
    assert bury_dead() == 0
    assert Run.objects.get(pk=answered.id).state == RunState.SUCCEEDED
    assert Run.objects.get(pk=waiting.id).state == RunState.RUNNING
    expire_leases()
    assert bury_dead() == 1
    assert Run.objects.get(pk=waiting.id).crashes == 1
    assert not list(journal_folder().iterdir())


def test_a_process_in_quarantine_is_left_to_its_keeper_while_that_lives(loop: asyncio.AbstractEventLoop) -> None:
    answered, other = suspects(4)
    keeper = Journal(DEAD, loop)
    died_after(lambda journal: journal.ends(success(answered)), CHILD)
    assert bury_dead() == 0
    assert Run.objects.get(pk=answered.id).state == RunState.RUNNING
    # As if it were killed.
    os.close(keeper._file)
    assert bury_dead() == 1
    assert Run.objects.get(pk=answered.id).state == RunState.SUCCEEDED
    assert Run.objects.get(pk=other.id).state == RunState.PENDING
    assert not list(journal_folder().iterdir())


def test_a_process_in_quarantine_whose_keeper_has_no_journal_is_not_reaped_unblamed() -> None:
    (run,) = suspects(1)
    died_after(lambda journal: None, CHILD)
    assert bury_dead() == 0
    assert store_journal(CHILD) == set()
    reap_process(CHILD, is_gone=True, is_blamed=True)
    assert Run.objects.get(pk=run.id).error_code == "poison"


def suspects(number: int) -> list[Any]:
    """Return what a process in quarantine has taken of `number` suspects."""
    batch = make_batch(rows=number, state="running")
    Run.objects.of_batch(batch.pk).update(crash_slice=number, crashes=1)
    return claim_slice(open_lease(CHILD, None, is_quarantine=True), 10)


def test_the_keeper_stores_what_its_child_had_ended_and_learns_what_had_not_started() -> None:
    run, waiting = claim(make_batch(rows=2), process=DEAD)
    died_after(lambda journal: (journal.waits(waiting.key), journal.ends(success(run, "kept"))))
    assert store_journal(DEAD) == {waiting.key}
    assert Run.objects.get(pk=run.id).output == "kept"
    assert store_journal("nobody:1:1") == set()


def test_nobody_reaps_a_process_that_somebody_is_burying(monkeypatch: pytest.MonkeyPatch) -> None:
    answered, waiting = claim(make_batch(rows=2), process=DEAD)
    Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=60))
    died_after(lambda journal: (journal.waits(waiting.key), journal.ends(success(answered, "precious"))))
    store = burying._store

    def store_late(found: journal_records.JournalContent) -> None:
        assert reap() == 0
        store(found)

    monkeypatch.setattr(burying, "_store", store_late)
    assert bury_dead() == 1
    assert Run.objects.get(pk=answered.id).output == "precious"
    assert Run.objects.get(pk=waiting.id).crashes == 0


def test_a_file_at_fault_keeps_nobody_else_unburied(monkeypatch: pytest.MonkeyPatch) -> None:
    (run,) = claim(make_batch(rows=1), process=DEAD)
    died_after(lambda journal: journal.ends(success(run)))
    forbidden, really_open = journal_folder() / "a.journal", os.open
    forbidden.touch()

    def open_file(path: Path, *arguments: Any) -> int:
        if path == forbidden:
            raise PermissionError(13, "Permission denied")
        return really_open(path, *arguments)

    monkeypatch.setattr(burying.os, "open", open_file)
    assert bury_dead() == 1
    assert Run.objects.get(pk=run.id).state == RunState.SUCCEEDED


def test_an_outcome_that_the_database_refuses_keeps_nobody_else_back() -> None:
    good, bad = claim(make_batch(rows=2), process=DEAD)
    # Neither database takes it for a number of latency.
    refused = success(bad)
    refused.spent.latency_ms = -1
    died_after(lambda journal: (journal.ends(refused), journal.ends(success(good))))
    assert bury_dead() == 1
    assert Run.objects.get(pk=good.id).state == RunState.SUCCEEDED
    assert Run.objects.get(pk=bad.id).state == RunState.PENDING
    assert not list(journal_folder().iterdir())
