"""What must not stop or lose work, with real worker processes: odd answers, slow rows, long delays, a frozen Redis."""

import os
import signal
import time
from pathlib import Path

import pytest
from django.conf import settings

from batches.manager import BatchManager
from batches.models import Attempt, Batch, Lease, Run
from batches.publishing import outbox
from batches.runs import start_runs
from batches.states import BatchState, RunState
from tests.support.factories import ECHO, make_agent, make_batch, make_credential, make_user
from tests.support.provider_server import ProviderServer
from tests.support.waiting import wait_for
from tests.support.worker_harness import Workers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.worker]


def simulated(**values: object) -> dict[str, object]:
    """Return parameters of an echoing simulated model with `values`."""
    return {"simulated": {**ECHO["simulated"], **values}}


def state_of(batch: Batch) -> str:
    """Return the batch's state as the database has it."""
    return Batch.objects.values_list("state", flat=True).get(pk=batch.pk)


def test_a_provider_that_reports_absurd_usage_strands_no_row(worker_env: dict[str, str]) -> None:
    owner = make_user()
    told = {"id": "a\0b", "model": "m\0", "usage": {"prompt_tokens": 2**40, "completion_tokens": 2**62}}
    with ProviderServer(overrides=told) as provider:
        credential = make_credential(owner, provider="openai", base_url=provider.base_url)
        agent = make_agent(owner, credential=credential, model="m", parameters={})
        batch = make_batch(version=agent.current_version, rows=30)
        with Workers(1, env=worker_env):
            BatchManager(owner).start(batch)
            wait_for(lambda: state_of(batch) == BatchState.COMPLETED, 30, "the batch")
    batch.refresh_from_db()
    assert (batch.succeeded, batch.failed) == (30, 0)
    assert batch.input_tokens >= 30 * 10**7


def test_one_slow_row_holds_nobody_back(worker_env: dict[str, str]) -> None:
    slow = make_agent(parameters=simulated(latency=20)).current_version
    quick = make_agent(parameters=simulated(latency=0.1)).current_version
    batch = make_batch(version=quick, rows=60)
    Run.objects.filter(pk=batch.run_ids[0]).update(agent_version=slow)
    manager = BatchManager(batch.owner)
    rows = Run.objects.of_batch(batch.pk)
    with Workers(1, env=worker_env, slots=5):
        manager.start(batch)
        wait_for(lambda: rows.filter(state=RunState.SUCCEEDED).count() > 10, 15, "some rows")
        # A pause makes the lease find nothing due while the slow call still runs.
        manager.pause(batch)
        wait_for(lambda: rows.filter(state=RunState.RUNNING).count() == 1, 10, "the quick calls to end")
        time.sleep(1)
        manager.resume(batch)
        wait_for(lambda: rows.filter(state=RunState.SUCCEEDED).count() == 59, 10, "the rest beside the slow row")
        assert rows.filter(state=RunState.RUNNING).count() == 1
        manager.cancel(batch)


def test_a_worker_with_a_single_run_in_a_long_delay_stops_at_once(worker_env: dict[str, str]) -> None:
    parameters = simulated(errors={"rate_limited": 1, "retry_after": 600})
    version = make_agent(parameters=parameters).current_version
    with Workers(1, env=worker_env, grace_seconds=1) as workers:
        (run,) = start_runs(version.agent.owner, [(version, {"text": "later"})])
        wait_for(lambda: Attempt.objects.filter(run=run, outcome="retried").exists(), 10, "the refusal")
        started = time.monotonic()
        workers.terminate(0)
        assert workers.wait(0, 15) == 0
        assert time.monotonic() - started < 8
    run.refresh_from_db()
    assert run.state == RunState.QUEUED
    assert not Lease.objects.filter(released_at=None).exists()


def test_what_is_finished_while_redis_is_frozen_is_stored(worker_env: dict[str, str]) -> None:
    version = make_agent(parameters=simulated(latency=3)).current_version
    batch = make_batch(version=version, rows=20)
    valkey = int((Path(settings.ARBORETUM_DATA_DIR) / "valkey" / "valkey.pid").read_text())
    with Workers(1, env=worker_env, lease_seconds=4):
        BatchManager(batch.owner).start(batch)
        wait_for(lambda: Run.objects.filter(state=RunState.RUNNING).count() == 20, 10, "all rows to run")
        # Taken, and a moment later called.
        time.sleep(1)
        os.kill(valkey, signal.SIGSTOP)
        try:
            rows = Run.objects.of_batch(batch.pk)
            wait_for(lambda: rows.filter(state=RunState.SUCCEEDED).count() == 20, 8, "results without Redis")
            started = time.monotonic()
            start_runs(version.agent.owner, [(version, {"text": "meanwhile"})])
            assert time.monotonic() - started < 5
        finally:
            os.kill(valkey, signal.SIGCONT)
        outbox.flush(30)
        wait_for(lambda: state_of(batch) == BatchState.COMPLETED, 30, "the batch to end")
        wait_for(lambda: not Run.objects.singles().exclude(state="succeeded").exists(), 30, "the single run")
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"succeeded"}
