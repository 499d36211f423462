"""The journal of a process, and what others make of it when the process is dead."""

import asyncio
import os
import resource
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from batches.execution import journal as journal_module
from batches.execution import journal_records
from batches.execution.burying import bury_dead, store_journal
from batches.execution.claims import ClaimedRun
from batches.execution.journal import Journal, journal_folder, journal_path
from batches.execution.journal_records import JournalContent, read_journal
from batches.execution.leases import open_lease
from batches.execution.outcomes import EventRecord
from batches.execution.reaping import reap_process
from batches.execution.storing import store_outcomes
from batches.execution.suspects import claim_slice
from batches.models import Attempt, Lease, Run, RunEvent, RunEventKind
from batches.states import RunState
from tests.support.factories import make_batch

from .helpers import claim, retried, success

pytestmark = pytest.mark.django_db

DEAD = "here:7:7"
Use = Callable[[Journal], None]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch: pytest.MonkeyPatch, settings) -> None:
    settings.ARBORETUM_DATA_DIR = tmp_path


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def come_round(loop: asyncio.AbstractEventLoop) -> None:
    """Let the loop come round once."""
    loop.run_until_complete(asyncio.sleep(0))


def died_after(use: Use, process: str = DEAD) -> None:
    """Have a process of this name write a journal, and kill it."""
    if (pid := os.fork()) == 0:
        try:
            loop = asyncio.new_event_loop()
            use(Journal(process, loop))
            come_round(loop)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL


def content(process: str = DEAD) -> JournalContent:
    return read_journal(journal_path(process).read_bytes())


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
    assert not store_journal(DEAD)
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


def test_a_line_that_was_cut_short_ends_what_is_believed() -> None:
    died_after(lambda journal: (journal.waits((1, 1)), journal.waits((2, 1)), journal.starts((1, 1))))
    path = journal_path(DEAD)
    path.write_bytes(path.read_bytes()[:-4])
    assert content().waiting == {(1, 1), (2, 1)}


def test_of_an_earlier_boot_only_answers_are_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    answered, waiting = claim(make_batch(rows=2), process=DEAD)
    died_after(lambda journal: (journal.waits(waiting.key), journal.ends(success(answered))))
    monkeypatch.setattr(journal_records, "boot_id", lambda: "another")
    assert bury_dead() == 1
    assert Run.objects.get(pk=answered.id).state == RunState.SUCCEEDED
    assert Run.objects.get(pk=waiting.id).crashes == 1


def test_the_file_is_written_anew_with_what_is_worth_keeping(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "COMPACT_BYTES", 20_000)
    runs = claim(make_batch(rows=100), limit=100, process=DEAD)
    journal = Journal(DEAD, loop)
    for run in runs:
        journal.waits(run.key)
        journal.starts(run.key)
        journal.ends(success(run, "x" * 1000))
        come_round(loop)
        if run is not runs[10]:
            journal.forget([run.key])
    journal.waits((5, 5))
    come_round(loop)
    assert journal_path(DEAD).stat().st_size < 25_000
    found = content()
    assert found.process == DEAD
    assert found.waiting == {(5, 5)}
    assert runs[10].key in [outcome.run.key for outcome in found.outcomes]
    # The lock is that of the new file.
    assert bury_dead() == 0
    journal.close()


def test_a_process_that_ends_in_order_leaves_no_file_unless_something_is_unstored(
    loop: asyncio.AbstractEventLoop,
) -> None:
    stored, unstored = claim(make_batch(rows=2), process=DEAD)
    journal = Journal(DEAD, loop)
    journal.ends(success(stored))
    journal.forget([stored.key])
    journal.close()
    assert not journal_path(DEAD).exists()
    journal = Journal(DEAD, loop)
    journal.ends(success(unstored, "not lost"))
    journal.close()
    assert bury_dead() == 1
    assert Run.objects.get(pk=unstored.id).output == "not lost"


def test_a_full_disk_ends_the_journal_and_nothing_else() -> None:
    def live(journal: Journal) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        loop = journal._loop
        for number in range(100):
            journal.waits((number, 1))
            come_round(loop)
        journal.starts((1, 1))
        journal.close()

    died_after(live)
    # What lacks anything would be believed.
    assert list(journal_folder().iterdir()) == []


def test_a_folder_that_cannot_be_written_is_no_reason_not_to_work(settings, tmp_path, loop) -> None:
    (tmp_path / "file").write_text("in the way")
    settings.ARBORETUM_DATA_DIR = tmp_path / "file"
    journal = Journal(DEAD, loop)
    journal.waits((1, 1))
    journal.close()


def test_a_process_in_quarantine_is_left_to_its_keeper_while_that_lives(loop: asyncio.AbstractEventLoop) -> None:
    batch = make_batch(rows=4, state="running")
    Run.objects.of_batch(batch.pk).update(crash_slice=4, crashes=1)
    child = f"{DEAD}:q0"
    answered, other = claim_slice(open_lease(child, None, is_quarantine=True), 10)
    keeper = Journal(DEAD, loop)
    died_after(lambda journal: journal.ends(success(answered)), child)
    assert bury_dead() == 0
    assert Run.objects.get(pk=answered.id).state == RunState.SUCCEEDED
    assert Run.objects.get(pk=other.id).state == RunState.RUNNING
    keeper.close()
    assert bury_dead() == 1
    assert Run.objects.get(pk=other.id).state == RunState.PENDING


def test_the_keeper_stores_what_its_child_had_ended() -> None:
    (run,) = claim(make_batch(rows=1), process=DEAD)
    died_after(lambda journal: journal.ends(success(run, "kept")))
    assert store_journal(DEAD)
    assert Run.objects.get(pk=run.id).output == "kept"
    assert store_journal("nobody:1:1")


def test_an_outcome_that_the_database_refuses_keeps_nobody_else_back() -> None:
    good, bad = claim(make_batch(rows=2), process=DEAD)
    refused = ClaimedRun(**{name: getattr(bad, name) for name in bad.__slots__ if name != "tries"}, tries=10**9)
    died_after(lambda journal: (journal.ends(success(refused)), journal.ends(success(good))))
    assert bury_dead() == 1
    assert Run.objects.get(pk=good.id).state == RunState.SUCCEEDED
    assert not list(journal_folder().iterdir())
