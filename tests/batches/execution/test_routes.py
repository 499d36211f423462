"""The route of one run among the models of its pool: permits, moves and what the run ends with."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from agents.llm.types import CompletionRequest, Message, Price
from agents.routing import ModelName
from batches.execution.agents_cache import LoadedModel
from batches.execution.gate import Gate
from batches.execution.metering import RunMeter
from batches.execution.permits import Need, Permit
from batches.execution.routes import RunRoute, _PatientMeter
from workers.errors import ErrorCode, WorkError
from workers.ratelimit.types import Binding, Bucket, Limits

REQUEST = CompletionRequest("m", (Message("user", "hello"),))


class Dispatching:
    """Gives a permit of whichever gate it is asked for, after `wait`."""

    def __init__(self) -> None:
        self.gates = {Bucket(number, "m"): Gate(Bucket(number, "m")) for number in (1, 2)}
        self.wait: Callable[[Gate], Any] = lambda gate: asyncio.sleep(0.01)

    def gate(self, bucket: Bucket) -> Gate:
        return self.gates[bucket]

    async def admit(self, gate: Gate, need: Need, *, first: bool = False) -> Permit:
        await self.wait(gate)
        gate.in_flight += 1
        return Permit(gate, 10, 5)

    def schedule(self) -> None:
        """Nobody else waits."""


def model(number: int, context_window: int | None = None) -> LoadedModel:
    name = ModelName(f"c{number}/m", "m", str(number))
    return LoadedModel(
        name, "simulated", cast(Any, None), Bucket(number, "m"), Limits(), Price(), 1, context_window, 0.0
    )


class Agent:
    """What a route asks of a loaded agent."""

    def __init__(self, *models: LoadedModel) -> None:
        self.models = models
        self.model = models[0]

    def model_of(self, bucket: Bucket) -> LoadedModel | None:
        return next((one for one in self.models if one.bucket == bucket), None)


class Prepared:
    """A prepared run of `Agent`."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent


def made(dispatching: Dispatching, *models: LoadedModel, permit: Permit | None = None) -> tuple[RunRoute, RunMeter]:
    def gate_of(one: LoadedModel) -> Gate:
        return dispatching.gate(one.bucket)

    meter = RunMeter(
        cast(Any, dispatching),
        gate_of(models[0]),
        Need(5, None),
        permit,
        lambda gate, error: None,
        lambda: None,
        gate_of,
        has_slot=False,
    )
    return RunRoute(cast(Any, Prepared(Agent(*models))), cast(Any, None), meter, lambda bucket, error: None), meter


def test_a_call_that_was_let_in_keeps_its_model_though_another_becomes_free() -> None:
    async def scenario() -> None:
        dispatching = Dispatching()
        route, meter = made(dispatching, model(1), model(2))
        one = dispatching.gates[Bucket(1, "m")]
        assert await route.meter.admit(REQUEST) > 0
        # It was the last that the limit let through.
        one.binding = Binding.REQUESTS
        assert not route.look_for_better()
        assert (meter.bucket, one.in_flight) == (one.bucket, 1)
        meter.failed(WorkError(ErrorCode.SERVER_ERROR, "broken"), 0.1)
        # The next call may go elsewhere.
        assert route.look_for_better()
        assert meter.bucket == Bucket(2, "m")

    asyncio.run(scenario())


def test_who_is_cut_off_while_it_changes_models_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batches.execution.routes.LOOK_SECONDS", 0.01)

    async def scenario() -> None:
        dispatching = Dispatching()
        route, _ = made(dispatching, model(1), model(2))
        dispatching.gates[Bucket(1, "m")].binding = Binding.REQUESTS
        waiting = asyncio.Event()

        async def wait(gate: Gate) -> None:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                # The call leaves the first model's gate: just now the run is cut off.
                if gate.bucket.credential == 1:
                    run.cancel()
                    waiting.set()
                    await asyncio.sleep(0)
                raise

        dispatching.wait = wait
        assert isinstance(route.meter, _PatientMeter)
        run = asyncio.create_task(route.meter.admit(REQUEST))  # type: ignore[arg-type]
        await asyncio.wait_for(waiting.wait(), 2)
        done, _ = await asyncio.wait([run], timeout=1)
        assert run in done
        assert run.cancelled()

    asyncio.run(scenario())


def test_a_prompt_too_long_for_one_key_pauses_nobody_for_the_other_key() -> None:
    route, _ = made(Dispatching(), model(1, 100), model(2, 1000))
    too_long = WorkError(ErrorCode.CONTEXT_LENGTH, "too long")

    async def scenario() -> None:
        assert route.fail_over(too_long) is None
        assert route.fail_over(WorkError(ErrorCode.INVALID_KEY, "refused")) is too_long

    asyncio.run(scenario())


@pytest.mark.parametrize(("seconds", "is_used"), [(0.5, True), (2.0, False)])
def test_a_paced_permit_that_was_not_used_in_time_is_given_back(seconds: float, is_used: bool) -> None:
    async def scenario() -> None:
        dispatching = Dispatching()
        gate = dispatching.gates[Bucket(1, "m")]
        gate.in_flight = 1
        due = asyncio.get_running_loop().time() - seconds
        permit = Permit(gate, 10, 5, is_paced=True, due=due)
        route, meter = made(dispatching, model(1), permit=permit)
        assert (await route.meter.admit(REQUEST) == 0.0) is is_used
        assert (permit.is_open, gate.in_flight, meter.holds_permit) == (is_used, 1, True)

    asyncio.run(scenario())
