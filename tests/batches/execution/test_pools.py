"""Pools at work: real rows, a real worker host, and two providers that limit, fail and refuse."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from agents.models import AgentVersion
from agents.services import create_agent
from batches.execution import blocks
from batches.execution.host import WorkerHost
from batches.execution.lease_loop import run_lease
from batches.models import Attempt, Batch, Run, RunEvent, RunEventKind
from batches.states import BatchState, RunState
from credentials.services import set_model
from tests.support.factories import make_batch, make_credential, make_single_run, make_user
from tests.support.provider_server import ProviderServer
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ProviderServer, ProviderServer]]:
    with ProviderServer() as first, ProviderServer() as second:
        yield first, second


@dataclass
class Pool:
    """An agent over two servers: `one/m` (weight 3 unless told) and `two/m`."""

    one: ProviderServer
    two: ProviderServer
    version: AgentVersion

    def batch(self, rows: int) -> Batch:
        return make_batch(version=self.version, rows=rows, state=BatchState.RUNNING)

    def models(self, batch: Batch) -> Counter[str]:
        """Return how many rows each model answered."""
        return Counter(Run.objects.of_batch(batch.pk).values_list("model", flat=True))


@pytest.fixture
def pool(servers: tuple[ProviderServer, ProviderServer]) -> Pool:
    user = make_user()
    for name, server in zip(("one", "two"), servers, strict=True):
        server.configure(
            faults={}, fault_limit=None, latency=0.01, requests_per_window=None, keys=None, retry_after=1.0, window=60.0
        )
        server.reset()
        make_credential(owner=user, name=name, provider="openai", base_url=server.base_url, key=f"sk-{name}-0123456789")
    retry = {"max_tries": 3, "base_seconds": 0.05}
    agent = create_agent(user, slug="pooled", prompt="{{ text }}", pool=["one/m=3", "two/m"], retry=retry)
    assert agent.current_version is not None
    return Pool(*servers, agent.current_version)


def finished(batch: Batch) -> dict[str, int]:
    return dict(Counter(Run.objects.of_batch(batch.pk).values_list("state", flat=True)))


def test_models_share_the_rows_by_weight_and_the_record_names_who_answered(host: WorkerHost, pool: Pool) -> None:
    batch = pool.batch(200)
    host.wait(run_lease(host, batch.pk))

    assert finished(batch) == {RunState.SUCCEEDED: 200}
    answered = pool.models(batch)
    assert answered["one/m"] == pytest.approx(150, abs=8)
    assert answered["one/m"] + answered["two/m"] == 200
    assert pool.one.stats()["completed"] == answered["one/m"]
    runs = dict(Run.objects.of_batch(batch.pk).values_list("pk", "model"))
    assert dict(Attempt.objects.filter(run__batch=batch).values_list("run_id", "model")) == runs


def test_a_limited_model_is_used_to_its_limit_and_the_rest_goes_to_the_other(host: WorkerHost, pool: Pool) -> None:
    set_model(pool.version.credential, "m", requests_per_minute=600)
    # So that the whole takes about two seconds: 150 calls of 0.2 s, 20 at once.
    pool.two.configure(latency=0.2)
    two = pool.version.pool.get(place=1).credential
    set_model(two, "m", max_concurrency=15)
    batch = pool.batch(170)
    host.wait(run_lease(host, batch.pk))

    assert finished(batch) == {RunState.SUCCEEDED: 170}
    answered = pool.models(batch)
    # Ten a second for about two seconds; the other does 75 a second.
    assert 12 <= answered["one/m"] <= 40
    assert pool.one.stats()["refused"] == 0


@pytest.mark.parametrize(
    "fault",
    ["server_error", "overloaded", "reset", "html", "invalid_key", "quota", "not_found", "context_length"],
)
def test_what_one_model_cannot_do_the_other_does(host: WorkerHost, pool: Pool, fault: str) -> None:
    pool.one.configure(faults={fault: 1.0}, retry_after=None)
    batch = pool.batch(60)
    host.wait(run_lease(host, batch.pk))

    assert finished(batch) == {RunState.SUCCEEDED: 60}
    assert pool.models(batch) == {"two/m": 60}
    batch.refresh_from_db()
    assert batch.state in (BatchState.RUNNING, BatchState.COMPLETED)
    moved = RunEvent.objects.filter(run__batch=batch, kind=RunEventKind.FAILED_OVER)
    assert moved.exists()
    assert {event.data["model"] for event in moved} == {"one/m"}
    # Who failed over has one attempt, and it was the other that answered.
    assert set(Run.objects.of_batch(batch.pk).values_list("tries", flat=True)) == {0}


def test_a_refusal_sends_the_rows_to_the_other_model_and_nobody_calls_early(host: WorkerHost, pool: Pool) -> None:
    pool.one.configure(requests_per_window=5, window=30.0)
    batch = pool.batch(120)
    host.wait(run_lease(host, batch.pk))

    assert finished(batch) == {RunState.SUCCEEDED: 120}
    assert pool.models(batch)["one/m"] == 5
    assert pool.one.stats()["early_calls"] == 0


def test_a_prompt_that_no_context_fits_but_the_others_goes_there_at_once(host: WorkerHost, pool: Pool) -> None:
    set_model(pool.version.credential, "m", context_window=50)
    batch = make_batch(version=pool.version, rows=[{"text": "word " * 200}] * 20, state=BatchState.RUNNING)
    host.wait(run_lease(host, batch.pk))

    assert pool.models(batch) == {"two/m": 20}
    assert pool.one.stats()["completed"] == 0


def test_a_batch_is_paused_only_where_no_key_of_the_pool_works(host: WorkerHost, pool: Pool) -> None:
    for server in (pool.one, pool.two):
        server.configure(faults={"invalid_key": 1.0})
    batch = pool.batch(20)
    host.wait(run_lease(host, batch.pk))

    batch.refresh_from_db()
    assert batch.state == BatchState.PAUSED
    assert batch.state_reason.startswith("The key of credential '")
    assert "was refused" in batch.state_reason
    assert finished(batch) == {RunState.PENDING: 20}


def test_a_bad_key_beside_a_failing_server_is_waited_for(host: WorkerHost, pool: Pool) -> None:
    pool.one.configure(faults={"invalid_key": 1.0})
    pool.two.configure(faults={"server_error": 1.0}, fault_limit=5)
    batch = pool.batch(20)
    host.wait(run_lease(host, batch.pk))

    batch.refresh_from_db()
    assert batch.state != BatchState.PAUSED
    assert finished(batch) == {RunState.SUCCEEDED: 20}


def test_a_member_whose_credential_is_disabled_takes_no_part(host: WorkerHost, pool: Pool) -> None:
    pool.version.credential.is_active = False
    pool.version.credential.save()
    batch = pool.batch(10)
    host.wait(run_lease(host, batch.pk))

    assert pool.models(batch) == {"two/m": 10}


def test_a_single_run_that_waits_goes_to_the_model_that_is_free_first(host: WorkerHost, pool: Pool) -> None:
    one, two = pool.version.credential, pool.version.pool.get(place=1).credential
    for credential in (one, two):
        set_model(credential, "m", max_concurrency=1)
    pool.one.configure(latency=3.0)
    pool.two.configure(latency=0.6)
    runs = [make_single_run(pool.version, {"text": f"run {number}"}) for number in range(4)]

    async def all_of_them() -> None:
        await asyncio.gather(*(host.run_single(run.pk) for run in runs))

    work = host.engine.submit(all_of_them())
    wait_for(lambda: Run.objects.filter(state=RunState.SUCCEEDED).count() == 4, 15, "four runs")
    work.result(timeout=15)
    assert Counter(Run.objects.values_list("model", flat=True)) == {"one/m": 1, "two/m": 3}


def test_models_that_could_not_be_used_are_tried_again_though_calls_keep_coming(
    host: WorkerHost, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BROKEN_SECONDS", 1.0)
    for server in (pool.one, pool.two):
        server.configure(faults={"invalid_key": 1.0})
    states = []
    for number in range(15):
        run = make_single_run(pool.version, {"text": f"run {number}"})
        host.wait(host.run_single(run.pk))
        run.refresh_from_db()
        states.append(run.state)
        time.sleep(0.15)
        if number == 1:
            for server in (pool.one, pool.two):
                server.configure(faults={})
    assert (states[0], states[-1]) == (RunState.FAILED, RunState.SUCCEEDED)


def test_one_call_at_a_time_tries_a_model_that_could_not_be_used(
    host: WorkerHost, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BROKEN_SECONDS", 1.0)
    pool.one.configure(faults={"invalid_key": 1.0}, latency=0.1)
    pool.two.configure(latency=0.25)
    set_model(pool.version.pool.get(place=1).credential, "m", max_concurrency=40)
    # More than may start at once, so that rows are left to try it.
    batch = pool.batch(800)
    work = host.engine.submit(run_lease(host, batch.pk))
    wait_for(lambda: pool.two.stats()["completed"] >= 100, 10, "the first wave's refusals")
    before = pool.one.stats()["by_fault"]["invalid_key"]
    work.result(timeout=30)

    assert pool.models(batch) == {"two/m": 800}
    # Some four seconds.
    assert 1 <= pool.one.stats()["by_fault"]["invalid_key"] - before <= 9
