"""BatchManager: create, start, pause, resume, cancel, retry — and what each refuses."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from batches.execution.storing import store_outcomes
from batches.manager import BadRows, BatchManager, BatchOptions
from batches.models import Batch, Run
from batches.runs import start_run
from batches.states import TERMINAL_BATCH_STATES, BatchState, Priority, RunState
from tests.support.factories import make_agent, make_batch, make_user, make_version
from tests.support.queues import messages_on
from workers.errors import InvalidInput

from .execution.helpers import claim, failure, success

pytestmark = pytest.mark.django_db


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "tickets.csv"
    path.write_text("custom_id,text\na,one\nb,two\nc,three\n")
    return path


def test_a_file_becomes_a_batch_with_a_pending_run_per_row(csv_file: Path) -> None:
    agent = make_agent()
    batch = BatchManager(agent.owner).create(agent.current_version, csv_file)
    assert (batch.state, batch.total, batch.name, batch.columns) == ("ready", 3, "tickets", ["custom_id", "text"])
    runs = list(Run.objects.of_batch(batch.pk))
    assert [(run.index, run.custom_id, run.input["text"]) for run in runs] == [
        (0, "a", "one"),
        (1, "b", "two"),
        (2, "c", "three"),
    ]
    assert {run.state for run in runs} == {RunState.PENDING}


def test_bad_rows_create_nothing_unless_they_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("custom_id,text\na,one\nb\na,three\n")
    agent = make_agent()
    manager = BatchManager(agent.owner)
    with pytest.raises(BadRows, match="line 3") as caught:
        manager.create(agent.current_version, path)
    assert caught.value.report.problem_count == 2
    assert not Batch.objects.exists()
    batch = manager.create(agent.current_version, path, BatchOptions(skip_bad_rows=True))
    assert (batch.total, batch.skipped_rows) == (1, 2)


def test_a_name_that_the_input_lacks_is_an_error_with_its_line(csv_file: Path) -> None:
    agent = make_agent(prompt="Dear customer,\n{{ txt }}")
    with pytest.raises(InvalidInput, match=r"line 2.*txt.*text"):
        BatchManager(agent.owner).create(agent.current_version, csv_file)
    assert not Batch.objects.exists()


def test_a_creation_that_breaks_off_leaves_nothing(csv_file: Path) -> None:
    agent = make_agent()

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        BatchManager(agent.owner).create(agent.current_version, csv_file, on_progress=interrupt)
    assert not Batch.objects.exists()
    assert not Run.objects.exists()


def test_a_stranger_finds_neither_agent_nor_batch(csv_file: Path) -> None:
    agent, stranger = make_agent(), make_user()
    batch = make_batch(version=agent.current_version, rows=1)
    with pytest.raises(InvalidInput, match="no agent"):
        BatchManager(stranger).create(agent.current_version, csv_file)
    with pytest.raises(InvalidInput, match="no batch"):
        BatchManager(stranger).get(batch.pk)
    assert BatchManager(agent.owner).get(batch.pk) == batch


@pytest.mark.parametrize("state", ["draft", "paused", "archived"])
def test_an_agent_that_is_not_active_runs_nothing(csv_file: Path, state: str) -> None:
    agent = make_agent()
    batch = make_batch(version=agent.current_version, rows=1)
    manager = BatchManager(agent.owner)
    type(agent).objects.filter(pk=agent.pk).update(state=state)
    for attempt in (
        lambda: manager.create(agent.current_version, csv_file),
        lambda: manager.start(batch),
        lambda: start_run(agent.owner, agent.current_version, {"text": "x"}),
    ):
        with pytest.raises(InvalidInput, match=state):
            attempt()
    assert Batch.objects.count() == 1
    assert not Run.objects.singles().exists()


@pytest.mark.django_db(transaction=True)
def test_starting_publishes_leases_once() -> None:
    batch = make_batch(rows=3)
    manager = BatchManager(batch.owner)
    manager.start(batch)
    assert (batch.state, messages_on("batch")) == (BatchState.RUNNING, 1)
    assert batch.started_at is not None
    with pytest.raises(InvalidInput, match="is running; this needs it to be ready"):
        manager.start(batch)


def test_pausing_and_resuming() -> None:
    batch = make_batch(rows=3)
    manager = BatchManager(batch.owner)
    manager.start(batch)
    assert manager.pause(batch, "lunch").state_reason == "lunch"
    assert claim_nothing(batch)
    assert manager.resume(batch).state == BatchState.RUNNING
    with pytest.raises(InvalidInput, match="paused"):
        manager.resume(batch)


def test_priority_and_weight_change_while_a_batch_has_not_ended() -> None:
    batch = make_batch(rows=3)
    manager = BatchManager(batch.owner)
    assert (batch.priority, batch.weight) == (Priority.NORMAL, 1)
    manager.change(batch, priority=Priority.URGENT)
    assert (batch.priority, batch.weight, batch.state) == (Priority.URGENT, 1, BatchState.READY)
    manager.start(batch)
    with capture_logs() as logs:
        manager.change(batch, weight=100)
    stored = Batch.objects.get()
    assert (stored.priority, stored.weight, stored.state) == (Priority.URGENT, 100, BatchState.RUNNING)
    assert logs == [{"event": "batch_changed", "log_level": "info", "batch_id": batch.pk, "priority": 3, "weight": 100}]
    manager.pause(batch)
    assert manager.change(batch, priority=Priority.LOW, weight=7) == batch
    assert (batch.priority, batch.weight, batch.state) == (Priority.LOW, 7, BatchState.PAUSED)


@pytest.mark.parametrize("state", sorted(TERMINAL_BATCH_STATES))
def test_an_ended_batch_keeps_its_priority(state: str) -> None:
    batch = make_batch(rows=1, state=state)
    with pytest.raises(InvalidInput, match=f"is {state}; this needs it to be validating, ready, running, paused"):
        BatchManager(batch.owner).change(batch, priority=Priority.HIGH)
    assert Batch.objects.get().priority == Priority.NORMAL


BAD_SHARES = [
    ({"weight": 0}, "weight is 0; allowed: whole numbers from 1 to 100"),
    ({"weight": 101}, "weight is 101"),
    ({"weight": 1.5}, "weight is 1.5"),
    ({"weight": True}, "weight is True"),
    ({"priority": 4}, r"priority is 4; allowed: 0 \(low\), 1 \(normal\), 2 \(high\), 3 \(urgent\)"),
    ({"priority": -1}, "priority is -1"),
]


@pytest.mark.parametrize(("share", "message"), [*BAD_SHARES, ({}, "give a priority, a weight or both")])
def test_a_share_that_is_not_allowed_changes_nothing(share: dict[str, Any], message: str) -> None:
    batch = make_batch(rows=1)
    with pytest.raises(InvalidInput, match=message):
        BatchManager(batch.owner).change(batch, **share)
    stored = Batch.objects.get()
    assert (stored.priority, stored.weight) == (Priority.NORMAL, 1)


@pytest.mark.parametrize(("share", "message"), BAD_SHARES)
def test_no_batch_is_created_with_a_share_that_is_not_allowed(
    csv_file: Path, share: dict[str, Any], message: str
) -> None:
    agent = make_agent()
    with pytest.raises(InvalidInput, match=message):
        BatchManager(agent.owner).create(agent.current_version, csv_file, BatchOptions(**share))
    assert not Batch.objects.exists()


def test_resuming_clears_the_reason_of_the_pause() -> None:
    batch = make_batch(rows=3, state=BatchState.RUNNING)
    manager = BatchManager(batch.owner)
    manager.pause(batch, "invalid_key: the provider refused the key")
    assert manager.resume(batch).state_reason == ""
    assert Batch.objects.get().state_reason == ""


def claim_nothing(batch: Batch) -> bool:
    """Whether a paused batch gives nothing away."""
    from batches.execution.claims import claim_batch
    from batches.execution.leases import open_lease

    return claim_batch(batch.pk, open_lease("p", batch.pk), 5) == []


def test_cancelling_keeps_what_is_finished_and_cancels_the_rest() -> None:
    batch = make_batch(rows=4)
    done, running = claim(batch, 2)
    store_outcomes([success(done)])
    batch.refresh_from_db()
    manager = BatchManager(batch.owner)
    manager.cancel(batch)
    states = list(Run.objects.of_batch(batch.pk).values_list("state", flat=True))
    assert states == ["succeeded", "cancelled", "cancelled", "cancelled"]
    assert (batch.succeeded, batch.cancelled, batch.remaining) == (1, 3, 0)
    assert store_outcomes([success(running, "too late")]) == [False]
    assert set(Run.objects.filter(state=RunState.CANCELLED).values_list("error_code", flat=True)) == {"cancelled"}
    # What was cut short may be asked for again; what has ended may not.
    manager.cancel(batch)
    Batch.objects.update(state=BatchState.CANCELLED)
    with pytest.raises(InvalidInput):
        manager.cancel(batch)


def failed_batch() -> Batch:
    """Return a completed batch: row 0 succeeded, 1 and 2 failed with different codes."""
    batch = make_batch(rows=3)
    runs = claim(batch)
    store_outcomes([success(runs[0]), failure(runs[1], "timeout"), failure(runs[2], "not_found")])
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.COMPLETED)
    batch.refresh_from_db()
    return batch


@pytest.mark.parametrize(
    ("choice", "indexes"),
    [
        ({}, [1, 2]),
        ({"codes": ["timeout"]}, [1]),
        ({"indexes": [2]}, [2]),
        ({"codes": ["timeout"], "indexes": [2]}, []),
    ],
)
def test_failed_rows_run_again_by_choice(choice: dict[str, list[str] | list[int]], indexes: list[int]) -> None:
    batch = failed_batch()
    assert BatchManager(batch.owner).retry(batch, **choice) == len(indexes)
    pending = Run.objects.of_batch(batch.pk).filter(state=RunState.PENDING)
    assert list(pending.values_list("index", flat=True)) == indexes
    assert batch.failed == 2 - len(indexes)
    assert batch.state == (BatchState.RUNNING if indexes else BatchState.COMPLETED)


def test_retrying_with_another_version_keeps_the_earlier_attempts() -> None:
    batch = failed_batch()
    other = make_version(batch.agent_version.agent, prompt="Again: {{ text }}")
    BatchManager(batch.owner).retry(batch, version=other)
    (first, second) = claim(batch)
    assert (first.version_id, first.attempt, first.tries) == (other.pk, 2, 0)
    store_outcomes([success(first), success(second)])
    assert Run.objects.get(pk=first.id).attempts.count() == 2
    batch.refresh_from_db()
    assert (batch.succeeded, batch.failed) == (3, 0)


def test_retrying_with_a_version_that_needs_other_columns_is_refused_before_anything_runs() -> None:
    batch = failed_batch()
    other = make_version(batch.agent_version.agent, prompt="{{ txt }}")
    with pytest.raises(InvalidInput, match=r"line 1.*txt"):
        BatchManager(batch.owner).retry(batch, version=other)
    assert batch.failed == 2


def test_retrying_with_a_strangers_version_is_refused() -> None:
    batch = failed_batch()
    with pytest.raises(InvalidInput, match="no agent"):
        BatchManager(batch.owner).retry(batch, version=make_agent().current_version)
