"""What a worker does when a provider refuses: pauses, blocks, waits; with real rows and the simulated provider."""

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from agents.models import AgentVersion
from batches.execution import host as host_module
from batches.execution.blocks import store_block
from batches.execution.claims import claim_batch
from batches.execution.host import WorkerHost
from batches.execution.lease_loop import run_lease
from batches.execution.leases import open_lease
from batches.execution.unclaiming import unclaim
from batches.manager import BatchManager
from batches.models import Attempt, Batch, Lease, Run
from batches.states import BatchState, RunState
from credentials.models import Credential, ProviderModel
from credentials.services import set_model
from tests.support.factories import make_agent, make_batch, make_single_run
from tests.support.waiting import wait_for
from workers.ratelimit.types import Bucket
from workers.redis import connection

pytestmark = pytest.mark.django_db(transaction=True)


def version_with(fields: dict[str, Any] | None = None, **simulated: Any) -> AgentVersion:
    settings = {"simulated": {"reply": "echo", "latency": 0.01, **simulated}}
    version = make_agent(parameters=settings, **(fields or {})).current_version
    assert version is not None
    return version


def states(batch: Batch) -> dict[str, int]:
    """Return how many rows there are in each state."""
    found: dict[str, int] = {}
    for state in Run.objects.of_batch(batch.pk).values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("invalid_key", "The key of credential '{}' was refused: "),
        ("quota_exhausted", "The quota of credential '{}' is used up: "),
    ],
)
def test_a_key_that_cannot_go_on_pauses_the_batch_and_fails_no_row(host: WorkerHost, code: str, words: str) -> None:
    version = version_with(errors={code: 1})
    batch = make_batch(version=version, rows=30, state=BatchState.RUNNING)
    host.wait(run_lease(host, batch.pk))
    batch.refresh_from_db()
    assert batch.state == BatchState.PAUSED
    assert batch.state_reason.startswith(words.format(version.credential.name))
    assert states(batch) == {RunState.PENDING: 30}
    assert set(Run.objects.of_batch(batch.pk).values_list("tries", flat=True)) == {0}


def test_a_batch_that_was_paused_for_its_key_goes_on_where_it_stopped(host: WorkerHost) -> None:
    version = version_with()
    Credential.objects.update(is_active=False)
    batch = make_batch(version=version, rows=10, state=BatchState.RUNNING)
    host.wait(run_lease(host, batch.pk))
    batch.refresh_from_db()
    assert (batch.state, states(batch)) == (BatchState.PAUSED, {RunState.PENDING: 10})
    assert "disabled" in batch.state_reason
    Credential.objects.update(is_active=True)
    Batch.objects.update(state=BatchState.RUNNING)
    host.wait(asyncio.sleep(0.2))
    host.wait(run_lease(host, batch.pk))
    assert states(batch) == {RunState.SUCCEEDED: 10}


def test_a_single_run_with_a_refused_key_fails(host: WorkerHost) -> None:
    run = make_single_run(version_with(errors={"invalid_key": 1}))
    host.wait(host.run_single(run.pk))
    run.refresh_from_db()
    assert (run.state, run.error_code) == (RunState.FAILED, "invalid_key")


def test_a_refusal_stops_every_call_of_the_key_and_is_remembered(host: WorkerHost) -> None:
    version = version_with(errors={"rate_limited": 1, "retry_after": 30})
    batch = make_batch(version=version, rows=3, state=BatchState.RUNNING)
    host.engine.submit(run_lease(host, batch.pk))
    credential = version.credential
    wait_for(lambda: Credential.objects.get(pk=credential.pk).blocked_until is not None, 5, "the block to be stored")
    until = Credential.objects.get(pk=credential.pk).blocked_until
    assert until is not None
    assert 25 < (until - timezone.now()).total_seconds() <= 30.5
    other = version_with({"credential": credential, "model": "another"})
    single = make_single_run(other)
    host.engine.submit(host.run_single(single.pk))
    host.wait(asyncio.sleep(0.5))
    assert Attempt.objects.filter(run=single).count() == 0
    assert set(Run.objects.of_batch(batch.pk).values_list("tries", flat=True)) == {0}


def test_a_block_outlives_a_redis_that_forgets_everything(host: WorkerHost) -> None:
    version = version_with()
    store_block(Bucket(version.credential_id, version.model), 1.0, True)
    connection().flushall()
    run = make_single_run(version)
    host.wait(host.run_single(run.pk))
    run.refresh_from_db()
    until = Credential.objects.get(pk=version.credential_id).blocked_until
    assert run.state == RunState.SUCCEEDED
    assert until is not None
    assert run.attempts.get().started_at >= until - timedelta(seconds=0.05)


def test_a_block_of_one_model_is_kept_with_the_model(host: WorkerHost) -> None:
    version = version_with()
    bucket = Bucket(version.credential_id, version.model)
    store_block(bucket, 50, False)
    store_block(bucket, 10, False)
    row = ProviderModel.objects.get(credential=version.credential, name=version.model)
    assert row.blocked_until is not None
    assert (row.blocked_until - timezone.now()).total_seconds() > 40
    assert Credential.objects.get(pk=version.credential_id).blocked_until is None


def test_waiting_for_a_limit_takes_no_try_no_slot_and_no_running_time(host: WorkerHost) -> None:
    version = version_with({"max_seconds": 0.5})
    set_model(version.credential, version.model, requests_per_minute=120)
    batch = make_batch(version=version, rows=4, state=BatchState.RUNNING)
    host.wait(run_lease(host, batch.pk))
    assert states(batch) == {RunState.SUCCEEDED: 4}
    attempts = Attempt.objects.filter(run__batch=batch)
    assert attempts.count() == 4
    assert max(attempts.values_list("latency_ms", flat=True)) < 400
    starts = sorted(attempts.values_list("started_at", flat=True))
    # Two a second.
    assert all((later - earlier).total_seconds() > 0.4 for earlier, later in pairwise(starts))
    assert host.slots.free == host.slots.size


def test_every_call_of_an_agent_with_tools_counts(host: WorkerHost) -> None:
    script = [{"name": "calculator", "arguments": {"expression": "6*7"}}]
    version = version_with({"abilities": ["calculator"], "max_seconds": 1}, tool_calls=script)
    set_model(version.credential, version.model, requests_per_minute=60)
    batch = make_batch(version=version, rows=2, state=BatchState.RUNNING)
    started = timezone.now()
    host.wait(run_lease(host, batch.pk))
    assert states(batch) == {RunState.SUCCEEDED: 2}
    # Four calls at one a second.
    assert (timezone.now() - started).total_seconds() > 2.5
    assert host.slots.free == host.slots.size


def test_a_paused_batch_gives_back_what_was_taken_ahead_as_if_it_never_was(host: WorkerHost) -> None:
    version = version_with()
    set_model(version.credential, version.model, requests_per_minute=60)
    batch = make_batch(version=version, rows=20, state=BatchState.RUNNING)
    working = host.engine.submit(run_lease(host, batch.pk))
    wait_for(lambda: Attempt.objects.count() >= 1, 5, "the first row")
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.PAUSED)
    working.result(timeout=5)
    found = states(batch)
    assert found.keys() == {RunState.PENDING, RunState.SUCCEEDED}
    pending = Run.objects.of_batch(batch.pk).filter(state=RunState.PENDING)
    assert set(pending.values_list("attempt", "lease", "token")) == {(0, None, None)}
    assert Attempt.objects.count() == found[RunState.SUCCEEDED]


def test_unclaiming_leaves_rows_alone_that_somebody_else_took() -> None:
    batch = make_batch(rows=3, state=BatchState.RUNNING)
    mine = claim_batch(batch.pk, open_lease("me", batch.pk), 3)
    Run.objects.filter(pk=mine[1].id).update(token=7)
    assert unclaim(mine) == 2
    assert states(batch) == {RunState.PENDING: 2, RunState.RUNNING: 1}


def test_a_row_with_bad_input_fails_without_a_call_and_stops_nobody(host: WorkerHost) -> None:
    version = make_agent(prompt="{{ name }}", parameters={"simulated": {"reply": "echo", "latency": 0}}).current_version
    rows = [{"name": "x"}, {"text": "no name"}, {"name": "y"}]
    batch = make_batch(version=version, rows=rows, state=BatchState.RUNNING)
    host.wait(run_lease(host, batch.pk))
    found = dict(Run.objects.of_batch(batch.pk).values_list("index", "state"))
    assert found == {0: RunState.SUCCEEDED, 1: RunState.FAILED, 2: RunState.SUCCEEDED}


def test_of_more_batches_than_places_the_most_urgent_gets_one(
    host: WorkerHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    from batches.execution import turns

    monkeypatch.setattr(turns, "MOST_LOOPS", 1)
    version = version_with(latency=0.2)
    low = make_batch(version=version, rows=2_000, state=BatchState.RUNNING, priority=0)
    urgent = make_batch(version=version, rows=5, state=BatchState.RUNNING, priority=3)
    first = host.engine.submit(run_lease(host, low.pk))
    wait_for(lambda: host.slots.free < host.slots.size, 5, "the first batch to begin")
    host.wait(run_lease(host, urgent.pk))
    first.result(timeout=10)
    assert states(urgent) == {RunState.SUCCEEDED: 5}
    assert states(low)[RunState.PENDING] > 500


def test_a_batch_that_long_found_no_place_gets_one_beside_more_urgent_ones(
    host: WorkerHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    from batches.execution import lanes, turns

    monkeypatch.setattr(turns, "MOST_LOOPS", 1)
    for module in (lanes, turns):
        monkeypatch.setattr(module, "AGING_SECONDS", 0.5)
    # Few enough rows a second that asking again takes less than the time after which who asks is forgotten.
    version = version_with(latency=0.6)
    urgent = make_batch(version=version, rows=8_000, state=BatchState.RUNNING, priority=2)
    low = make_batch(version=version, rows=5, state=BatchState.RUNNING, priority=1)
    host.engine.submit(run_lease(host, urgent.pk))
    wait_for(lambda: host.slots.free < host.slots.size, 5, "the urgent batch to begin")

    def asked() -> bool:
        host.wait(run_lease(host, low.pk))
        return bool(states(low).get(RunState.SUCCEEDED))

    assert not asked()
    assert 0.5 <= wait_for(asked, 5, "the other to get its turn") < 4
    host.drain()


def test_two_hints_that_come_together_make_one_loop_which_a_pause_stops(host: WorkerHost) -> None:
    version = version_with()
    set_model(version.credential, version.model, requests_per_minute=240)
    batch = make_batch(version=version, rows=40, state=BatchState.RUNNING)
    working = [host.engine.submit(run_lease(host, batch.pk)) for _ in range(4)]
    wait_for(lambda: Attempt.objects.count() >= 2, 5, "the first rows")
    assert Lease.objects.filter(batch=batch).count() == 1
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.PAUSED)
    for work in working:
        work.result(timeout=5)
    made = Attempt.objects.count()
    host.wait(asyncio.sleep(0.7))
    assert Attempt.objects.count() == made
    assert RunState.RUNNING not in states(batch)


def test_no_row_starts_after_the_end_of_its_batches_time(host: WorkerHost) -> None:
    version = version_with()
    set_model(version.credential, version.model, requests_per_minute=120)
    ends = timezone.now() + timedelta(seconds=1)
    batch = make_batch(version=version, rows=20, state=BatchState.RUNNING, expires_at=ends)
    host.wait(run_lease(host, batch.pk))
    assert (timezone.now() - ends).total_seconds() < 2
    assert RunState.RUNNING not in states(batch)
    started = Attempt.objects.values_list("started_at", flat=True)
    assert all(moment is None or moment < ends + timedelta(seconds=0.8) for moment in started)


def test_one_limited_model_does_not_stop_the_others_of_a_mixed_batch(host: WorkerHost) -> None:
    slow, fast = version_with({"model": "slow"}), version_with({"model": "fast"})
    set_model(slow.credential, "slow", requests_per_minute=30)
    batch = make_batch(version=slow, rows=80, state=BatchState.RUNNING, is_mixed=True)
    first = batch.run_ids[0]
    Run.objects.of_batch(batch.pk).filter(pk__gte=first + 40).update(agent_version=fast)
    working = host.engine.submit(run_lease(host, batch.pk))
    done = Run.objects.of_batch(batch.pk).filter(agent_version=fast, state=RunState.SUCCEEDED)
    wait_for(lambda: done.count() == 40, 6, "the rows of the model without a limit")
    assert Run.objects.of_batch(batch.pk).filter(agent_version=slow, state=RunState.SUCCEEDED).count() < 20
    Batch.objects.update(state=BatchState.PAUSED)
    working.result(timeout=5)


def test_a_limit_that_is_raised_is_seen_by_rows_that_wait_for_it(host: WorkerHost) -> None:
    version = version_with()
    # Three seconds from one to the next: the one that is booked already keeps its time.
    set_model(version.credential, version.model, requests_per_minute=20)
    batch = make_batch(version=version, rows=30, state=BatchState.RUNNING)
    working = host.engine.submit(run_lease(host, batch.pk))
    wait_for(lambda: Attempt.objects.count() >= 1, 5, "the first row")
    set_model(version.credential, version.model, requests_per_minute=6_000)
    working.result(timeout=8)
    assert states(batch) == {RunState.SUCCEEDED: 30}


def test_rows_that_waited_use_what_the_credential_is_now(host: WorkerHost) -> None:
    version = version_with()
    set_model(version.credential, version.model, requests_per_minute=60)
    batch = make_batch(version=version, rows=10, state=BatchState.RUNNING)
    working = host.engine.submit(run_lease(host, batch.pk))
    wait_for(lambda: Attempt.objects.count() >= 1, 5, "the first row")
    Credential.objects.update(is_active=False)
    working.result(timeout=5)
    batch.refresh_from_db()
    assert batch.state == BatchState.PAUSED
    assert states(batch)[RunState.SUCCEEDED] <= 3


def test_single_runs_that_crowd_before_a_limit_wait_in_the_database(
    host: WorkerHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_module, "MOST_WAITING_SINGLES", 3)
    version = version_with()
    set_model(version.credential, version.model, requests_per_minute=6)
    runs = [make_single_run(version) for _ in range(10)]
    for run in runs[:5]:
        host.engine.submit(host.run_single(run.pk))
    host.wait(asyncio.sleep(0.5))
    for run in runs[5:]:
        host.wait(host.run_single(run.pk))
    waiting = Run.objects.filter(pk__in=[run.pk for run in runs[5:]])
    assert set(waiting.values_list("state", "attempt")) == {(RunState.QUEUED, 0)}
    assert all(moment is not None for moment in waiting.values_list("not_before", flat=True))
    other = make_single_run(version_with({"model": "free"}))
    host.wait(host.run_single(other.pk))
    other.refresh_from_db()
    assert other.state == RunState.SUCCEEDED


def test_a_worker_that_is_asked_to_stop_starts_no_row_that_waits(host: WorkerHost) -> None:
    version = version_with()
    set_model(version.credential, version.model, requests_per_minute=600)
    batch = make_batch(version=version, rows=50, state=BatchState.RUNNING)
    working = host.engine.submit(run_lease(host, batch.pk))
    wait_for(lambda: Attempt.objects.count() >= 2, 5, "the first rows")
    host.drain()
    working.result(timeout=5)
    made = Attempt.objects.count()
    assert states(batch).keys() == {RunState.PENDING, RunState.SUCCEEDED}
    host.wait(asyncio.sleep(0.5))
    assert Attempt.objects.count() == made


def test_a_single_run_that_waits_for_a_limit_is_handed_back_when_the_worker_is_asked_to_stop(host: WorkerHost) -> None:
    version = version_with()
    set_model(version.credential, version.model, requests_per_minute=1)
    first, waiting = make_single_run(version), make_single_run(version)
    host.wait(host.run_single(first.pk))
    working = host.engine.submit(host.run_single(waiting.pk))
    host.wait(asyncio.sleep(0.3))
    host.drain()
    working.result(timeout=2)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.tries) == (RunState.QUEUED, 0)


def test_the_last_rows_of_a_batch_get_their_turn_beside_one_that_takes_every_slot(settings: LazySettings) -> None:
    settings.ARBORETUM_WORKER_SLOTS = 8
    host = WorkerHost()
    large = make_batch(version=version_with(latency=0.2), rows=2_000, state=BatchState.RUNNING)
    small = make_batch(version=version_with(latency=0.2), rows=30, state=BatchState.RUNNING)
    try:
        for batch in (large, small):
            host.engine.submit(run_lease(host, batch.pk))
        # Half of 40 rows a second.
        wait_for(lambda: states(small) == {RunState.SUCCEEDED: 30}, 6, "the small batch")
    finally:
        BatchManager(large.owner).pause(large)
        host.stop()
