"""The host of a worker process, in this process: what it does with outcomes, leases and runs it cannot keep."""

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest
from django.conf import LazySettings
from django.db import OperationalError

from batches.execution import heartbeat as heartbeat_module
from batches.execution import host as host_module
from batches.execution.burying import bury_dead
from batches.execution.claims import ClaimedRun, claim_batch, claim_singles
from batches.execution.host import WorkerHost
from batches.execution.journal import journal_path
from batches.execution.journal_records import header
from batches.execution.lease_loop import run_lease
from batches.execution.leases import open_lease
from batches.execution.outcomes import Outcome
from batches.execution.storing import store_outcomes
from batches.models import Attempt, Batch, Lease, Run
from batches.states import BatchState, RunState
from credentials.services import set_model
from tests.support.factories import make_agent, make_batch, make_single_run
from tests.support.waiting import wait_for

from .dying import content

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerHost]:
    monkeypatch.setattr(heartbeat_module, "HEARTBEAT_SECONDS", 0.2)
    running = WorkerHost()
    yield running
    running.stop()


def test_an_outcome_that_cannot_be_stored_fails_its_own_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = make_batch(rows=20, state=BatchState.RUNNING)
    bad = batch.run_ids[0] + 7

    def refuse(outcomes: Sequence[Outcome]) -> list[bool]:
        if any(outcome.run.id == bad and outcome.state == RunState.SUCCEEDED for outcome in outcomes):
            raise ValueError("a value that no column takes")
        return store_outcomes(outcomes)

    monkeypatch.setattr(host_module, "store_outcomes", refuse)
    host = WorkerHost()
    try:
        assert host.wait(run_lease(host, batch.pk)) == 20
    finally:
        host.stop()
    states = dict(Run.objects.of_batch(batch.pk).values_list("pk", "state"))
    assert states.pop(bad) == RunState.FAILED
    assert set(states.values()) == {RunState.SUCCEEDED}
    assert Run.objects.get(pk=bad).error_code == "bad_response"


def test_a_run_that_the_host_does_not_know_of_is_handed_back(host: WorkerHost) -> None:
    batch = make_batch(rows=1, state=BatchState.RUNNING)
    lease = open_lease(host.process, batch.pk)
    host.holdings.leases.add(lease)
    # As if the answer to the claim had been lost with the connection.
    claim_batch(batch.pk, lease, 5)
    row = Run.objects.of_batch(batch.pk)
    for _ in range(100):
        if row.get().state == RunState.PENDING:
            break
        host.wait(_short())
    assert row.get().state == RunState.PENDING
    assert Attempt.objects.get().outcome == "handed_back"


async def _short() -> None:
    await asyncio.sleep(0.05)


def test_single_runs_go_on_under_a_new_lease_when_theirs_was_lost(host: WorkerHost) -> None:
    first, second = make_single_run(), make_single_run()
    host.wait(host.run_single(first.pk))
    Lease.objects.update(expires_at="2020-01-01T00:00:00Z")
    host.wait(host.run_single(second.pk))
    assert set(Run.objects.values_list("state", flat=True)) == {RunState.SUCCEEDED}
    assert Lease.objects.count() == 2


def test_a_stopped_host_leaves_no_lease(host: WorkerHost) -> None:
    host.wait(host.run_single(make_single_run().pk))
    host.stop()
    assert not Lease.objects.filter(released_at=None).exists()


def test_what_is_claimed_after_the_grace_time_is_handed_back_uncalled(host: WorkerHost, settings: LazySettings) -> None:
    settings.ARBORETUM_GRACE_SECONDS = 0
    run = make_single_run()
    (taken,) = claim_singles([run.pk], open_lease(host.process, None))
    host.drain()
    host.wait(_short())
    outcome = host.wait(host.execute(taken))
    assert outcome is not None
    assert (outcome.kind, outcome.spent.usage.total_tokens) == ("handed_back", 0)
    run.refresh_from_db()
    assert run.state == RunState.QUEUED


def test_a_run_taken_again_while_its_old_attempt_is_in_flight_ends_once(host: WorkerHost) -> None:
    version = make_agent(parameters={"simulated": {"reply": "echo", "latency": 0.5}}).current_version
    run = make_single_run(version)

    def take() -> ClaimedRun:
        lease = open_lease(host.process, None)
        host.holdings.leases.add(lease)
        return claim_singles([run.pk], lease)[0]

    async def both(first: ClaimedRun, second: ClaimedRun) -> list[Outcome | None]:
        return await asyncio.gather(host.execute(first), host.execute(second))

    first = take()
    # As if this process had been taken for dead, and had then been the first to take the run.
    Run.objects.filter(pk=run.pk).update(state=RunState.QUEUED, lease=None, token=None)
    outcomes = host.wait(both(first, take()))
    assert outcomes[0] is None
    assert outcomes[1] is not None
    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED
    assert list(run.attempts.values_list("number", "outcome")) == [(1, "stale"), (2, "succeeded")]


def test_answers_that_cannot_be_stored_before_the_end_are_left_in_the_journal(
    monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    settings.ARBORETUM_GRACE_SECONDS, settings.ARBORETUM_WORKER_SLOTS = 0.2, 3
    monkeypatch.setattr(host_module, "STORING_SECONDS", 0.2)
    host = WorkerHost()
    batch = at_work(host, rows=5, latency=0.2)
    wait_for(lambda: host.running == 3, 5, "calls in flight")

    def away(*arguments: object) -> list[bool]:
        raise OperationalError("the database is away")

    monkeypatch.setattr(host._outcomes, "_flush", away)
    wait_for(lambda: host.running == 0, 5, "the answers")
    host.stop()
    assert len(content(host.process).outcomes) == 3
    assert bury_dead() == 1
    states = Run.objects.of_batch(batch.pk).values_list("state", "attempt", "crashes")
    assert sorted(states) == [("pending", 0, 0)] * 2 + [("succeeded", 1, 0)] * 3


def test_the_journal_knows_what_waits_what_has_started_and_what_has_ended(
    monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    settings.ARBORETUM_WORKER_SLOTS = 3
    host, kept = WorkerHost(), threading.Event()
    store = host._outcomes._flush
    monkeypatch.setattr(host._outcomes, "_flush", lambda outcomes: (kept.wait(5), store(outcomes))[1])
    # What is left to others tells that nothing more is taken ahead.
    batch = at_work(host, rows=200, latency=0.2)
    wait_for(lambda: len(content(host.process).outcomes) == 3, 5, "three answers, not stored")
    held = set(Run.objects.filter(state=RunState.RUNNING).values_list("pk", "attempt"))
    ended = {outcome.run.key for outcome in content(host.process).outcomes}
    assert content(host.process).waiting == held - ended != set()
    kept.set()
    host.drain()
    wait_for(lambda: not host.holdings.unstored, 5, "all to be stored or given back")
    wait_for(lambda: journal_path(host.process).read_bytes() == header(host.process), 5, "nothing to be left")
    host.stop()
    assert not journal_path(host.process).exists()
    assert Run.objects.of_batch(batch.pk).filter(state=RunState.SUCCEEDED).count() == 3


def test_a_single_run_that_waits_for_a_limit_is_nobodys_suspect(host: WorkerHost) -> None:
    version = make_agent(parameters={"simulated": {"reply": "echo", "latency": 0.3}}).current_version
    assert version is not None
    set_model(version.credential, version.model, max_concurrency=1)
    runs = [make_single_run(version) for _ in range(2)]
    work = [host.engine.submit(host.run_single(run.pk)) for run in runs]
    wait_for(lambda: len(content(host.process).waiting) == 1, 5, "one to wait")
    for one in work:
        one.result(timeout=10)
    assert content(host.process).waiting == set()
    assert set(Run.objects.values_list("state", flat=True)) == {RunState.SUCCEEDED}


def at_work(host: WorkerHost, rows: int, latency: float) -> Batch:
    """Return a batch on which `host` works."""
    version = make_agent(parameters={"simulated": {"reply": "echo", "latency": latency}}).current_version
    batch = make_batch(version=version, rows=rows, state=BatchState.RUNNING)
    host.engine.submit(run_lease(host, batch.pk))
    return batch
