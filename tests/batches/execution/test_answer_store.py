"""The store of answers: identical requests of agents that want it are answered without a call."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from agents.models import AgentVersion
from batches.execution import evicting
from batches.execution.answer_store import REMEMBERED_SECONDS, keep_answers
from batches.execution.host import WorkerHost
from batches.execution.lease_loop import run_lease
from batches.manager import BatchManager, BatchOptions
from batches.models import Batch, Lease, Run, StoredAnswer
from batches.runs import start_run
from batches.states import BatchState, RunState
from credentials.services import set_model, update_credential
from tests.support.factories import make_agent, make_batch, make_credential, make_version
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def host() -> Iterator[WorkerHost]:
    running = WorkerHost()
    yield running
    running.stop()


def version_with(fields: dict[str, Any] | None = None, **simulated: Any) -> AgentVersion:
    parameters = {"simulated": {"latency": 0.01, **simulated}}
    version = make_agent(
        parameters=parameters, model="sim-small", **({"cache_seconds": 3600} | (fields or {}))
    ).current_version
    assert version is not None
    return version


def run_batch(host: WorkerHost, version: AgentVersion, rows: int = 20) -> Batch:
    """Return a batch that was run to its end, once what it answered is in the store."""
    batch = make_batch(version=version, rows=rows, state=BatchState.RUNNING)
    host.wait(run_lease(host, batch.pk))
    assert set(Run.objects.of_batch(batch.pk).values_list("state", flat=True)) == {RunState.SUCCEEDED}
    host.wait(settled(host))
    batch.refresh_from_db()
    return batch


async def settled(host: WorkerHost) -> None:
    while host._tasks:
        await next(iter(host._tasks))


def cached(batch: Batch) -> Counter[bool]:
    return Counter(Run.objects.of_batch(batch.pk).values_list("is_cached", flat=True))


def results(batch: Batch) -> list[tuple[str | None, Any]]:
    return list(Run.objects.of_batch(batch.pk).order_by("id").values_list("output", "parsed"))


def test_the_second_batch_is_answered_from_the_store_at_no_cost(host: WorkerHost) -> None:
    version = version_with({"output_schema": {"type": "object", "properties": {"n": {"type": "integer"}}}})
    first = run_batch(host, version)
    second = run_batch(host, version)

    assert (cached(first), cached(second)) == (Counter({False: 20}), Counter({True: 20}))
    assert results(second) == results(first)
    assert first.cost > 0
    assert (second.cost, second.input_tokens, second.output_tokens) == (Decimal(0), 0, 0)


def test_answers_are_used_again_only_where_the_agent_wants_it(host: WorkerHost) -> None:
    version = version_with({"cache_seconds": None})
    run_batch(host, version)
    assert cached(run_batch(host, version)) == {False: 20}
    assert not StoredAnswer.objects.exists()


def test_a_served_row_takes_nothing_of_the_models_limit(host: WorkerHost) -> None:
    version = version_with()
    run_batch(host, version, rows=5)
    # One call a minute, of which the burst takes the first.
    set_model(version.credential, version.model, requests_per_minute=1)
    before = timezone.now()
    assert cached(run_batch(host, version, rows=5)) == {True: 5}
    assert timezone.now() - before < timedelta(seconds=10)


def test_no_cache_asks_anew_and_keeps_nothing(host: WorkerHost, tmp_path: Any) -> None:
    version = version_with()
    path = tmp_path / "rows.csv"
    path.write_text("text\none\ntwo\n")
    manager = BatchManager(version.agent.owner)
    for use_cache, expected in ((True, False), (False, False), (True, True)):
        batch = manager.create(version, path, BatchOptions(use_cache=use_cache))
        manager.start(batch)
        host.wait(run_lease(host, batch.pk))
        host.wait(settled(host))
        assert cached(batch) == {expected: 2}, use_cache
    assert StoredAnswer.objects.count() == 2


def test_a_single_run_is_served_too(host: WorkerHost) -> None:
    version = version_with()
    for use_cache, expected in ((True, False), (True, True), (False, False)):
        run = start_run(version.agent.owner, version, {"text": "hello"}, use_cache=use_cache)
        host.wait(host.run_single(run.pk))
        host.wait(settled(host))
        run.refresh_from_db()
        assert (run.state, run.is_cached) == (RunState.SUCCEEDED, expected)


def test_an_old_answer_does_not_serve(host: WorkerHost) -> None:
    version = version_with()
    run_batch(host, version, rows=4)
    StoredAnswer.objects.update(created_at=timezone.now() - timedelta(seconds=3500))
    assert cached(run_batch(host, version, rows=4)) == {True: 4}
    # The agent that asks decides how old is too old; who kept it decides how long it is kept.
    impatient = make_version(version.agent, model=version.model, parameters=version.parameters, cache_seconds=60)
    assert cached(run_batch(host, impatient, rows=4)) == {False: 4}
    StoredAnswer.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    time.sleep(REMEMBERED_SECONDS)
    assert cached(run_batch(host, version, rows=4)) == {False: 4}


def test_a_credential_that_points_elsewhere_gets_no_old_answers(host: WorkerHost) -> None:
    version = version_with()
    run_batch(host, version, rows=3)
    owner = version.agent.owner
    owner.is_staff = True
    update_credential(owner, version.credential, base_url="http://127.0.0.1:9/v1")
    host._agents.forget(version.pk)
    assert cached(run_batch(host, version, rows=3)) == {False: 3}


@pytest.mark.security
def test_another_credential_gets_no_answers_of_this_one(host: WorkerHost) -> None:
    version = version_with()
    run_batch(host, version, rows=3)
    stranger = make_version(make_agent(), model=version.model, parameters=version.parameters, cache_seconds=3600)
    assert cached(run_batch(host, stranger, rows=3)) == {False: 3}


def test_failures_are_not_kept(host: WorkerHost) -> None:
    version = version_with(errors={"invalid_request": 1})
    batch = make_batch(version=version, rows=3, state=BatchState.RUNNING)
    host.wait(run_lease(host, batch.pk))
    host.wait(settled(host))
    assert not StoredAnswer.objects.exists()


def test_equal_rows_of_one_batch_are_asked_once(host: WorkerHost) -> None:
    version = version_with()
    batch = make_batch(version=version, rows=[{"text": f"row {n % 4}"} for n in range(200)], state=BatchState.RUNNING)
    host.wait(run_lease(host, batch.pk))

    assert cached(batch) == {False: 4, True: 196}
    assert set(Run.objects.of_batch(batch.pk).values_list("state", flat=True)) == {RunState.SUCCEEDED}
    outputs = dict.fromkeys(range(4))
    for run in Run.objects.of_batch(batch.pk):
        outputs[run.index % 4] = outputs[run.index % 4] or run.output
        assert run.output == outputs[run.index % 4]


def test_rows_that_wait_for_an_equal_one_go_on_where_that_fails(host: WorkerHost) -> None:
    version = version_with({"retry": {"max_tries": 1}}, errors={"invalid_request": 0.5}, seed=3)
    batch = make_batch(version=version, rows=[{"text": "same"}] * 40, state=BatchState.RUNNING)
    host.wait(run_lease(host, batch.pk))

    found = Counter(Run.objects.of_batch(batch.pk).values_list("state", "is_cached"))
    assert sum(found.values()) == 40
    assert found[RunState.SUCCEEDED, False] == 1
    assert found[RunState.SUCCEEDED, True] + found[RunState.FAILED, False] == 39
    assert found[RunState.SUCCEEDED, True] > 20


def test_pausing_gives_back_the_rows_that_wait_for_an_equal_one(host: WorkerHost) -> None:
    version = version_with(latency=1.5)
    batch = make_batch(version=version, rows=[{"text": "same"}] * 30, state=BatchState.RUNNING)
    work = host.engine.submit(run_lease(host, batch.pk))
    wait_for(lambda: host.running == 1, 5, "the first call")
    BatchManager(version.agent.owner).pause(Batch.objects.get(pk=batch.pk))
    work.result(timeout=10)

    found = Counter(Run.objects.of_batch(batch.pk).values_list("state", flat=True))
    assert found == {RunState.SUCCEEDED: 1, RunState.PENDING: 29}
    assert not Lease.objects.filter(batch=batch, released_at=None).exists()


def answer(key: str, size: int, minutes_old: int = 0) -> StoredAnswer:
    now = timezone.now()
    return StoredAnswer(
        key=key,
        credential=CREDENTIAL[0],
        answer_json="x" * size,
        bytes=size,
        created_at=now - timedelta(minutes=minutes_old),
        expires_at=now + timedelta(hours=1),
    )


CREDENTIAL: list[Any] = []


@pytest.fixture
def credential() -> Iterator[None]:
    CREDENTIAL[:] = [make_credential()]
    yield
    CREDENTIAL.clear()


@pytest.mark.usefixtures("credential")
def test_the_store_stays_within_its_bound_and_the_oldest_go(settings: LazySettings) -> None:
    settings.ARBORETUM_CACHE_BYTES = 100_000
    keep_answers([answer(f"{number:03}", 1000, minutes_old=number) for number in range(150)])
    assert evicting.evict_oldest(100_000) == 55
    assert set(StoredAnswer.objects.values_list("key", flat=True)) == {f"{number:03}" for number in range(95)}
    assert evicting.evict_oldest(100_000) == 0


@pytest.mark.usefixtures("credential")
def test_expired_answers_go_and_the_sweep_is_one_processes(settings: LazySettings) -> None:
    keep_answers([answer(str(number), 10) for number in range(5)])
    StoredAnswer.objects.filter(key__in=["1", "2"]).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert evicting.evict_answers() == 2
    StoredAnswer.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    # Somebody did it a moment ago.
    assert evicting.evict_answers() == 0
    assert evicting.evict_expired() == 3


@pytest.mark.usefixtures("credential")
def test_the_same_key_twice_is_one_row_with_the_later_answer() -> None:
    keep_answers([answer("a", 10), answer("b", 20), answer("a", 30)])
    keep_answers([answer("b", 40)])
    assert dict(StoredAnswer.objects.values_list("key", "bytes")) == {"a": 30, "b": 40}


def test_rows_given_back_for_want_of_slots_leave_nobody_waiting_for_them(settings: LazySettings) -> None:
    settings.ARBORETUM_WORKER_SLOTS = 2
    host = WorkerHost()
    try:
        version = version_with(latency=0.1)
        rows = [{"text": f"row {number // 2}"} for number in range(14)]
        batch = make_batch(version=version, rows=rows, state=BatchState.RUNNING)
        host.engine.submit(run_lease(host, batch.pk)).result(timeout=20)
        assert set(Run.objects.of_batch(batch.pk).values_list("state", flat=True)) == {RunState.SUCCEEDED}
        assert cached(batch) == {False: 7, True: 7}
    finally:
        host.stop()


def test_rows_that_look_into_the_store_when_their_turn_ends_are_given_back(
    host: WorkerHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = version_with(latency=0.1)
    batch = make_batch(version=version, rows=[{"text": "same"}] * 3, state=BatchState.RUNNING)
    find = host.answers.find
    asked: list[int] = []

    async def slow_after_the_first(question: Any) -> Any:
        asked.append(1)
        if len(asked) > 4:
            # The rows that waited look now; meanwhile the turn ends.
            monkeypatch.setattr(host.turns, "has_room", lambda: False)
            for loop in host.turns._loops.values():
                loop._turn_ends = 0.0
            await asyncio.sleep(1.0)
        return None

    monkeypatch.setattr(host.answers, "find", slow_after_the_first)
    host.engine.submit(run_lease(host, batch.pk)).result(timeout=20)
    monkeypatch.setattr(host.answers, "find", find)

    states = list(Run.objects.of_batch(batch.pk).order_by("id").values_list("state", "attempt"))
    assert states == [(RunState.SUCCEEDED, 1), (RunState.PENDING, 0), (RunState.PENDING, 0)]
    assert not host.holdings.unstored


def test_equal_rows_with_a_long_answer_are_asked_once_too(host: WorkerHost, monkeypatch: pytest.MonkeyPatch) -> None:
    # As long as an embedding of 3072 numbers, and slow to be written.
    monkeypatch.setattr(host.answers._keeps, "_wait_share", 1.0)
    monkeypatch.setattr(host.answers._keeps, "_interval", 0.5)
    version = version_with({"prompt": "{{ text }}"}, reply="echo")
    batch = make_batch(version=version, rows=[{"text": "word " * 10_000}] * 8, state=BatchState.RUNNING)
    host.wait(run_lease(host, batch.pk))
    assert cached(batch) == {False: 1, True: 7}
