"""The host of a worker process, in this process: what it does with outcomes, leases and runs it cannot keep."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from django.conf import LazySettings

from batches.execution import heartbeat as heartbeat_module
from batches.execution import host as host_module
from batches.execution.claims import ClaimedRun, claim_batch, claim_singles
from batches.execution.host import WorkerHost
from batches.execution.lease_loop import run_lease
from batches.execution.leases import open_lease
from batches.execution.outcomes import Outcome
from batches.execution.storing import store_outcomes
from batches.models import Attempt, Lease, Run
from batches.states import BatchState, RunState
from tests.support.factories import make_agent, make_batch, make_single_run

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
