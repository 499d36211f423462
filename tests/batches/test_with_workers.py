"""The main job with real worker processes: every row one right result, singles at once, and what interrupts them."""

import pytest
from django.utils import timezone

from batches.manager import BatchManager
from batches.models import Attempt, Batch, Lease, Run
from batches.runs import cancel_run, start_runs
from batches.states import BatchState, RunState
from tests.support.factories import ECHO, make_agent, make_batch, make_credential, make_user
from tests.support.waiting import wait_for
from tests.support.worker_harness import Workers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.worker]


def simulated(**settings: object) -> dict[str, object]:
    """Return parameters of an echoing simulated model with `settings`."""
    return {"simulated": {**ECHO["simulated"], **settings}}


def state_of(batch: Batch) -> str:
    """Return the batch's state as the database has it."""
    return Batch.objects.values_list("state", flat=True).get(pk=batch.pk)


def assert_every_row_has_its_own_result(batch: Batch) -> None:
    """Every row succeeded with the echo of its own input, once."""
    rows = Run.objects.of_batch(batch.pk).values_list("index", "state", "output")
    assert [(index, state, output) for index, state, output in rows] == [
        (index, "succeeded", f"row {index}") for index in range(batch.total)
    ]
    batch.refresh_from_db()
    assert (batch.succeeded, batch.remaining) == (batch.total, 0)
    assert Attempt.objects.filter(run__batch=batch, outcome="succeeded").count() == batch.total


def test_ten_thousand_rows_each_get_their_own_result(worker_env: dict[str, str]) -> None:
    batch = make_batch(version=make_agent(parameters=simulated()).current_version, rows=10_000)
    with Workers(2, env=worker_env):
        BatchManager(batch.owner).start(batch)
        wait_for(lambda: state_of(batch) == BatchState.COMPLETED, 90, "10,000 rows")
    assert_every_row_has_its_own_result(batch)
    assert Attempt.objects.count() == 10_000
    assert Attempt.objects.values("worker").distinct().count() == 2
    assert not Lease.objects.filter(released_at=None).exists()


def test_every_process_gets_its_share_of_a_batch(worker_env: dict[str, str]) -> None:
    version = make_agent(parameters=simulated(latency=0.3)).current_version
    with Workers(3, env=worker_env, slots=5):
        for _ in range(2):
            # Worth a lease of each of the three.
            batch = make_batch(version=version, rows=101)
            BatchManager(batch.owner).start(batch)
            rows = Run.objects.of_batch(batch.pk).filter(state=RunState.RUNNING)
            wait_for(lambda rows=rows: rows.values("lease__process").distinct().count() == 3, 4, "all three to work")
            wait_for(lambda batch=batch: state_of(batch) == BatchState.COMPLETED, 30, "the batch")


def test_a_hundred_agents_started_at_the_same_moment_all_run_within_two_seconds(worker_env: dict[str, str]) -> None:
    owner = make_user()
    credential = make_credential(owner)
    versions = [
        make_agent(owner, credential=credential, parameters=simulated(latency=3)).current_version for _ in range(100)
    ]
    with Workers(2, env=worker_env):
        runs = start_runs(owner, [(version, {"text": str(number)}) for number, version in enumerate(versions)])
        rows = Run.objects.filter(pk__in=[run.pk for run in runs])
        wait_for(lambda: rows.filter(state=RunState.RUNNING).count() == 100, 2, "100 agents to run")
        wait_for(lambda: not rows.exclude(state=RunState.SUCCEEDED).exists(), 10, "100 agents to finish")
    assert [row.output for row in rows.order_by("id")] == [str(number) for number in range(100)]
    started = list(rows.values_list("started_at", flat=True))
    assert (max(started) - min(started)).total_seconds() < 2


def test_transient_errors_are_retried_until_every_row_has_its_result(worker_env: dict[str, str]) -> None:
    parameters = simulated(errors={"server_error": 0.2, "rate_limited": 0.1})
    retry = {"base_seconds": 0.05, "max_seconds": 0.2, "max_tries": 30}
    batch = make_batch(version=make_agent(parameters=parameters, retry=retry).current_version, rows=300)
    with Workers(2, env=worker_env):
        BatchManager(batch.owner).start(batch)
        wait_for(lambda: state_of(batch) == BatchState.COMPLETED, 60, "300 rows with errors")
    assert_every_row_has_its_own_result(batch)
    assert Attempt.objects.filter(run__batch=batch, outcome="retried").count() > 30


def test_a_paused_batch_makes_no_new_calls_and_goes_on_where_it_stopped(worker_env: dict[str, str]) -> None:
    batch = make_batch(version=make_agent(parameters=simulated(latency=0.2)).current_version, rows=300)
    manager = BatchManager(batch.owner)
    with Workers(2, env=worker_env, slots=10):
        manager.start(batch)
        ended = Run.objects.of_batch(batch.pk).filter(state=RunState.SUCCEEDED)
        wait_for(lambda: ended.count() > 30, 20, "some rows")
        manager.pause(batch)
        paused_at = timezone.now()
        running = Run.objects.of_batch(batch.pk).filter(state=RunState.RUNNING)
        wait_for(lambda: not running.exists(), 10, "calls in flight to end")
        assert not Run.objects.of_batch(batch.pk).filter(started_at__gt=paused_at).exists()
        assert ended.count() < 300
        manager.resume(batch)
        wait_for(lambda: state_of(batch) == BatchState.COMPLETED, 30, "the rest")
    assert_every_row_has_its_own_result(batch)


def test_a_cancelled_batch_cuts_its_calls_and_keeps_what_is_finished(worker_env: dict[str, str]) -> None:
    batch = make_batch(version=make_agent(parameters=simulated(latency=0.1)).current_version, rows=200)
    with Workers(2, env=worker_env, slots=10):
        BatchManager(batch.owner).start(batch)
        ended = Run.objects.of_batch(batch.pk).filter(state=RunState.SUCCEEDED)
        wait_for(lambda: ended.count() > 20, 20, "some rows")
        BatchManager(batch.owner).cancel(batch)
        wait_for(lambda: state_of(batch) == BatchState.CANCELLED, 10, "the cancelled batch to end")
    batch.refresh_from_db()
    assert batch.succeeded >= 20
    assert batch.succeeded + batch.cancelled == 200
    assert set(Run.objects.of_batch(batch.pk).values_list("state", flat=True)) == {"succeeded", "cancelled"}


def test_a_cancelled_single_run_is_cut_at_the_next_heartbeat(worker_env: dict[str, str]) -> None:
    version = make_agent(parameters=simulated(latency=60)).current_version
    with Workers(1, env=worker_env, lease_seconds=4):
        (run,) = start_runs(version.agent.owner, [(version, {"text": "long"})])
        rows = Run.objects.filter(pk=run.pk)
        wait_for(lambda: rows.get().state == RunState.RUNNING, 5, "the run to start")
        cancel_run(version.agent.owner, run.pk)
        wait_for(lambda: Attempt.objects.filter(run=run, outcome="cancelled").exists(), 10, "the call to be cut")
    assert rows.get().state == RunState.CANCELLED


def test_a_killed_worker_loses_no_row(worker_env: dict[str, str]) -> None:
    batch = make_batch(version=make_agent(parameters=simulated(latency=0.3)).current_version, rows=600)
    with Workers(2, env=worker_env, slots=20, lease_seconds=4) as workers:
        BatchManager(batch.owner).start(batch)
        running = Run.objects.of_batch(batch.pk).filter(state=RunState.RUNNING)
        wait_for(lambda: running.values("lease__process").distinct().count() == 2, 20, "both processes to hold rows")
        ended = Attempt.objects.filter(run__batch=batch).values("worker").distinct()
        wait_for(lambda: ended.count() == 2, 20, "both to be at work, so that calls are in flight")
        workers.kill(0)
        workers.restart(0)
        wait_for(lambda: state_of(batch) == BatchState.COMPLETED, 90, "all rows after the kill")
    assert_every_row_has_its_own_result(batch)
    crashed = Attempt.objects.filter(run__batch=batch, outcome="crashed").count()
    assert 0 < crashed <= 20


def test_workers_that_are_stopped_hand_their_rows_back(worker_env: dict[str, str]) -> None:
    batch = make_batch(version=make_agent(parameters=simulated(latency=8)).current_version, rows=20)
    (single_version,) = [make_agent(parameters=simulated(latency=8)).current_version]
    with Workers(1, env=worker_env, grace_seconds=0.5) as workers:
        BatchManager(batch.owner).start(batch)
        (single,) = start_runs(single_version.agent.owner, [(single_version, {"text": "alone"})])
        running = Run.objects.filter(state=RunState.RUNNING)
        wait_for(lambda: running.count() == 21, 10, "all rows to run")
        workers.terminate(0)
        assert workers.wait(0, 15) == 0
    assert set(Run.objects.of_batch(batch.pk).values_list("state", "tries")) == {("pending", 0)}
    assert Run.objects.get(pk=single.pk).state == RunState.QUEUED
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"handed_back"}
    assert not Lease.objects.filter(released_at=None).exists()
