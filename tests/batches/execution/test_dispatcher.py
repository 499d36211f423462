"""Who starts next in one process: the dispatcher with real lanes, real slots and the real limiter on a real server."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from agents.llm.providers.base import ProviderConfig
from agents.llm.types import Completion, Price, Usage
from agents.routing import ModelName
from agents.spec import AgentSpec
from batches.execution import dispatcher as dispatcher_module
from batches.execution import lanes as lanes_module
from batches.execution.agents_cache import LoadedAgent, LoadedModel
from batches.execution.claims import ClaimedRun
from batches.execution.dispatcher import Dispatcher
from batches.execution.gate import Gate
from batches.execution.lanes import Lane
from batches.execution.permits import Need, Permit
from batches.execution.prepared import PreparedRun
from batches.execution.slots import Slots
from workers.errors import ErrorCode, WorkError
from workers.ratelimit.limiter import Limiter
from workers.ratelimit.types import Binding, Bucket, Limits
from workers.redis import close_async_connection

NEED = Need(10, 10)
ANSWER = Completion("fine", usage=Usage(10, 10))


@pytest.fixture(autouse=True)
async def _connection() -> AsyncIterator[None]:
    yield
    await close_async_connection()


def prepared(batch_id: int, index: int) -> PreparedRun:
    run = ClaimedRun(index, batch_id, 1, 1, 1, 1, "columns", "{}", 0)
    model = LoadedModel(
        ModelName("c/m", "m"), "simulated", ProviderConfig(), Bucket(1, "m"), Limits(), Price(), 1, None, 0.0
    )
    agent = LoadedAgent(1, AgentSpec("a", 1, "c", "m"), (model,), 0, 0.0)
    return PreparedRun(
        run,
        agent,
        agent.spec,
        (),
        NEED,
    )


class Scene:
    """A dispatcher, and what it started: (batch id, index) in order."""

    def __init__(self, slots: int = 1000) -> None:
        self.dispatcher = Dispatcher(Slots(slots), Limiter("here"))
        self.started: list[tuple[int, int]] = []
        self.permits: list[Permit] = []

    def gate(self, model: str = "m", **limits: Any) -> Gate:
        gate = self.dispatcher.gate(Bucket(1, model))
        gate.limits = Limits(**limits)
        return gate

    def lane(self, batch_id: int, gate: Gate, rows: int, *, priority: int = 1, weight: int = 1) -> Lane:
        def start(row: PreparedRun, permit: Permit) -> None:
            self.started.append((batch_id, row.run.id))
            self.permits.append(permit)

        lane = Lane(batch_id, start)
        lane.priority, lane.weight = priority, weight
        self.dispatcher.shares.add(lane)
        for index in range(rows):
            lane.add(prepared(batch_id, index), (gate,))
        self.dispatcher.schedule()
        return lane

    def end_all(self) -> None:
        """Answer every call that was started."""
        for permit in self.permits:
            permit.gate.end_answered(permit, NEED, ANSWER, 0.1)
            self.dispatcher.give_slot_back()
        self.permits.clear()

    async def run(self, seconds: float) -> Counter[int]:
        """Answer calls at once for some time; return how many of each batch were started."""
        for _ in range(round(seconds / 0.01)):
            self.end_all()
            await asyncio.sleep(0.01)
        return Counter(batch_id for batch_id, _ in self.started)


async def test_rows_start_in_their_order_as_far_as_slots_allow() -> None:
    scene = Scene(slots=7)
    scene.lane(1, scene.gate(), 20)
    await asyncio.sleep(0.1)
    assert scene.started == [(1, index) for index in range(7)]
    assert scene.dispatcher.slots.free == 0
    await scene.run(0.2)
    assert scene.started == [(1, index) for index in range(20)]


async def test_two_batches_of_one_limited_model_share_it_evenly() -> None:
    scene = Scene()
    gate = scene.gate(requests_per_minute=6_000)
    scene.lane(1, gate, 500)
    scene.lane(2, gate, 500)
    started = await scene.run(2.0)
    assert sum(started.values()) >= 100
    assert abs(started[1] - started[2]) <= 2


async def test_weights_decide_on_the_share() -> None:
    scene = Scene()
    gate = scene.gate(requests_per_minute=6_000)
    scene.lane(1, gate, 500, weight=1)
    scene.lane(2, gate, 500, weight=3)
    started = await scene.run(2.0)
    assert started[2] / sum(started.values()) == pytest.approx(0.75, abs=0.04)


async def test_slots_are_shared_by_weight_where_they_are_scarce() -> None:
    scene = Scene(slots=8)
    gate = scene.gate()
    scene.lane(1, gate, 2_000)
    scene.lane(2, gate, 2_000, weight=3)
    started = await scene.run(0.5)
    assert started[2] / sum(started.values()) == pytest.approx(0.75, abs=0.05)


async def test_a_higher_priority_goes_first() -> None:
    scene = Scene(slots=2)
    gate = scene.gate()
    low, high = scene.lane(1, gate, 50, priority=0), scene.lane(2, gate, 20, priority=2)
    await scene.run(0.5)
    batches = [batch_id for batch_id, _ in scene.started]
    assert batches[2:20] == [2] * 18
    assert low.buffered == high.buffered == 0


async def test_a_low_priority_that_was_passed_over_for_long_takes_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes_module, "AGING_SECONDS", 0.2)
    monkeypatch.setattr(lanes_module, "BOOST_SECONDS", 0.1)
    scene = Scene(slots=2)
    gate = scene.gate()
    scene.lane(1, gate, 5_000, priority=1)
    scene.lane(2, gate, 5_000, priority=0)
    started = await scene.run(1.0)
    assert 0.1 < started[2] / sum(started.values()) < 0.4


async def test_a_priority_that_is_changed_while_rows_wait_counts_at_once() -> None:
    scene = Scene(slots=2)
    gate = scene.gate()
    first, second = scene.lane(1, gate, 50, priority=1), scene.lane(2, gate, 50, priority=1)
    await asyncio.sleep(0.05)
    first.priority, second.priority = 0, 3
    scene.started.clear()
    await scene.run(0.1)
    assert {batch_id for batch_id, _ in scene.started[:8]} == {2}


async def test_a_model_without_quota_takes_no_slot_of_another() -> None:
    scene = Scene(slots=4)
    scene.lane(1, scene.gate("slow", requests_per_minute=1), 100)
    scene.lane(2, scene.gate("fast"), 1_000)
    started = await scene.run(1.0)
    assert started[1] <= 1
    assert started[2] > 150


async def test_one_lane_with_two_models_never_blocks_the_one_that_may_start() -> None:
    scene = Scene()
    lane = scene.lane(1, scene.gate("slow", requests_per_minute=1), 50)
    for index in range(100, 150):
        lane.add(prepared(1, index), (scene.gate("fast"),))
    await scene.run(0.3)
    assert {index for _, index in scene.started} >= set(range(100, 150))


async def test_single_runs_go_before_rows() -> None:
    scene = Scene()
    gate = scene.gate(requests_per_minute=1_200)
    scene.lane(1, gate, 500)
    await scene.run(0.7)
    loop = asyncio.get_running_loop()
    asked = loop.time()
    permits = await asyncio.gather(*(scene.dispatcher.admit(gate, NEED) for _ in range(5)))
    # At 20 a second: what was granted before, half a second ahead, and then the five.
    assert loop.time() - asked < 1.2
    assert all(permit.is_open for permit in permits)


async def test_a_later_call_of_a_run_goes_before_a_single_run() -> None:
    scene = Scene()
    gate = scene.gate(requests_per_minute=600)
    order: list[str] = []

    async def admit(name: str, *, first: bool) -> None:
        await scene.dispatcher.admit(gate, NEED, first=first)
        order.append(name)

    await asyncio.gather(admit("single", first=False), admit("single", first=False), admit("later", first=True))
    assert order == ["later", "single", "single"]


async def test_who_stops_waiting_leaves_no_call_in_flight() -> None:
    scene = Scene()
    gate = scene.gate(requests_per_minute=60)
    waiting = [asyncio.ensure_future(scene.dispatcher.admit(gate, NEED)) for _ in range(10)]
    await asyncio.sleep(0.2)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.sleep(0.8)
    assert gate.in_flight == 0
    assert gate.waiting == 0


async def test_nothing_starts_before_a_closed_gate_opens_and_then_in_order() -> None:
    scene = Scene()
    gate = scene.gate()
    opens = asyncio.get_running_loop().time() + 0.3
    scene.dispatcher.close(gate, 0.3)
    scene.lane(1, gate, 5)
    while asyncio.get_running_loop().time() < opens:
        assert scene.started == []
        await asyncio.sleep(0.01)
    await scene.run(0.5)
    assert scene.started == [(1, index) for index in range(5)]


async def test_a_gate_that_closes_takes_back_what_was_granted_ahead() -> None:
    scene = Scene()
    gate = scene.gate(requests_per_minute=1_200)
    scene.lane(1, gate, 50)
    await asyncio.sleep(0.6)
    scene.dispatcher.close(gate, 0.7)
    before = len(scene.started)
    await asyncio.sleep(0.6)
    assert len(scene.started) == before
    await scene.run(1.5)
    indexes = [index for _, index in scene.started]
    assert indexes == sorted(indexes)
    assert len(indexes) > before


async def test_rows_of_a_closed_lane_come_back_and_none_starts() -> None:
    scene = Scene()
    gate = scene.gate(requests_per_minute=600)
    lane = scene.lane(1, gate, 20)
    await asyncio.sleep(0.6)
    late: list[PreparedRun] = []
    back = lane.close(late.append)
    started = len(scene.started)
    await asyncio.sleep(0.7)
    assert len(scene.started) == started
    assert len(back) + len(late) + started == 20
    assert gate.waiting == 0
    assert gate.in_flight == started


async def test_without_redis_nothing_starts_and_afterwards_everything_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher_module, "UNREACHABLE_SECONDS", 0.05)
    scene = Scene()
    limiter, ask = scene.dispatcher._limiter, scene.dispatcher._limiter.exchange

    async def fail(*args: Any, **options: Any) -> Any:
        raise RedisConnectionError("gone")

    monkeypatch.setattr(limiter, "exchange", fail)
    scene.lane(1, scene.gate(), 30)
    await asyncio.sleep(0.2)
    assert scene.started == []
    monkeypatch.setattr(limiter, "exchange", ask)
    await asyncio.sleep(0.3)
    assert scene.started == [(1, index) for index in range(30)]


async def test_calls_that_end_are_reported_without_a_further_question() -> None:
    scene = Scene()
    gate = scene.gate(max_concurrency=3)
    scene.lane(1, gate, 3)
    await asyncio.sleep(0.1)
    assert len(scene.started) == 3
    scene.end_all()
    await asyncio.sleep(0.5)
    other = await Limiter("other").exchange(gate.bucket, gate.limits, report(), [1, 1, 1])
    assert len(other.delays) == 3


async def test_the_ceiling_in_flight_holds_and_is_used() -> None:
    scene = Scene()
    gate = scene.gate(max_concurrency=4)
    scene.lane(1, gate, 40)
    await asyncio.sleep(0.2)
    assert len(scene.started) == 4
    await scene.run(1.0)
    assert len(scene.started) == 40


def report() -> Any:
    from workers.ratelimit.types import Report

    return Report()


def test_a_call_is_charged_once_however_often_it_ends() -> None:
    async def drive() -> None:
        gate = Gate(Bucket(1, "m"))
        gate.in_flight = 1
        permit = Permit(gate, 20, 10)
        gate.end_answered(permit, NEED, ANSWER, 0.1)
        gate.end_failed(permit, WorkError(ErrorCode.TIMEOUT, "late"), 60.0)
        gate.end_unused(permit)
        assert gate.in_flight == 0
        said = gate.take_report(0)
        assert (said.succeeded, said.failed) == (1, 0)

    asyncio.run(drive())


async def test_who_is_cancelled_in_the_moment_of_the_grant_leaves_no_call_in_flight() -> None:
    scene = Scene()
    gate = scene.gate()
    task = asyncio.ensure_future(scene.dispatcher.admit(gate, NEED))
    await asyncio.sleep(0)
    (waiter,) = gate.front
    hand_over = waiter.start

    def start_and_cancel(permit: Permit) -> None:
        # The permit is there, and the task has not seen it yet.
        hand_over(permit)
        task.cancel()

    waiter.start = start_and_cancel  # type: ignore[method-assign]
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert gate.in_flight == 0


async def test_while_redis_is_away_it_is_asked_about_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    gate = scene.gate()
    scene.lane(1, gate, 5)
    await asyncio.sleep(0.1)
    asked = 0

    async def fail(*args: Any, **options: Any) -> Any:
        nonlocal asked
        asked += 1
        raise RedisConnectionError("gone")

    monkeypatch.setattr(scene.dispatcher._limiter, "exchange", fail)
    # Five calls in flight end, and rows wait.
    scene.lane(2, gate, 50)
    await scene.run(1.5)
    assert 1 <= asked <= 3


async def test_an_error_that_nobody_foresaw_strands_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher_module, "UNREACHABLE_SECONDS", 0.05)
    scene = Scene()
    limiter, ask = scene.dispatcher._limiter, scene.dispatcher._limiter.exchange

    async def fail(*args: Any, **options: Any) -> Any:
        raise ValueError("odd")

    monkeypatch.setattr(limiter, "exchange", fail)
    lane = scene.lane(1, scene.gate(), 10)
    await asyncio.sleep(0.1)
    assert (lane.buffered, lane.held) == (10, 10)
    monkeypatch.setattr(limiter, "exchange", ask)
    await scene.run(0.4)
    assert len(scene.started) == 10


async def test_starts_are_booked_only_for_slots_that_there_are() -> None:
    scene = Scene(slots=5)
    gate = scene.gate(requests_per_minute=3_600)
    scene.lane(1, gate, 500)
    # The slots stay taken: what is booked beyond them would be lost to other processes.
    await asyncio.sleep(1.5)
    assert len(scene.started) == 5
    assert gate.in_flight <= 10


async def test_rows_that_were_taken_away_while_they_asked_never_start() -> None:
    scene = Scene()
    gate = scene.gate(requests_per_minute=600)
    lane = scene.lane(1, gate, 10)
    # One turn of the loop later they have asked, and have no answer yet.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert lane.held > lane.buffered
    gone = [(index, 1) for index in range(10) if (1, index) not in scene.started]
    assert len(lane.drop(gone)) == len(gone)
    await scene.run(0.8)
    assert {index for _, index in scene.started}.isdisjoint(index for index, _ in gone)
    assert lane.held == 0
    assert gate.in_flight == 0


async def test_what_waits_before_a_gate_that_closes_again_keeps_its_order() -> None:
    scene = Scene()
    gate = scene.gate()
    scene.dispatcher.close(gate, 0.2)
    order: list[int] = []

    async def admit(number: int) -> None:
        await scene.dispatcher.admit(gate, NEED)
        order.append(number)

    tasks = [asyncio.ensure_future(admit(number)) for number in range(6)]
    await asyncio.sleep(0.19)
    scene.dispatcher.close(gate, 0.1)
    await asyncio.gather(*tasks)
    assert order == list(range(6))


async def test_a_lifted_block_opens_the_gate_at_once() -> None:
    scene = Scene()
    gate = scene.gate()
    scene.dispatcher.close(gate, 60)
    scene.lane(1, gate, 3)
    await asyncio.sleep(0.1)
    assert scene.started == []
    scene.dispatcher.close(gate, 0)
    # What was known before says nothing any more.
    gate.learn(gate.limits, 60.0, asyncio.get_running_loop().time() - 1)
    assert gate.closed_until == 0


def test_one_absurd_answer_makes_the_next_call_only_somewhat_dearer() -> None:
    async def drive() -> None:
        gate = Gate(Bucket(1, "m"))
        unlimited = Need(10, None)
        for tokens in (200, 200, 20_000_000):
            gate.in_flight += 1
            permit = Permit(gate, gate.cost(unlimited), 10)
            gate.end_answered(permit, unlimited, Completion("x", usage=Usage(10, tokens)), 0.1)
        assert gate.cost(unlimited) < 10_000
        assert gate.take_report(0).tokens < 100_000

    asyncio.run(drive())


@pytest.mark.parametrize(("seconds", "failed"), [(60.0, 1), (1.0, 0)])
def test_only_a_call_that_had_time_tells_of_a_provider_that_hangs(seconds: float, failed: int) -> None:
    async def drive() -> None:
        gate = Gate(Bucket(1, "m"))
        gate.in_flight = 1
        gate.end_failed(Permit(gate, 20, 10), WorkError(ErrorCode.TIMEOUT, "late"), seconds)
        assert gate.take_report(0).failed == failed

    asyncio.run(drive())


def test_rows_that_no_model_of_their_pool_takes_keep_their_order_and_are_not_looked_at_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gates = [Gate(Bucket(number, "m")) for number in range(3)]
    for gate in gates:
        gate.binding, gate.appetite = Binding.REQUESTS, 4
    lane = Lane(1, lambda prepared, permit: None)
    for index in range(300):
        lane.add(prepared(1, index), [gates[index % 3], *gates[: index % 3], *gates[index % 3 + 1 :]])
    order = [[row.prepared.run.id for row in queue] for queue in lane.waiting.values()]
    looks, find = [], lanes_module._better_gate
    monkeypatch.setattr(lanes_module, "_better_gate", lambda row, now: looks.append(1) or find(row, now))
    lane.rebalance(100.0)
    assert [[row.prepared.run.id for row in queue] for queue in lane.waiting.values()] == order
    assert len(looks) == 3
    # One is free again: what the others cannot start soon goes there.
    gates[0].binding = None
    lane.rebalance(100.0)
    assert [gate.rows_waiting for gate in gates] == [292, 4, 4]
