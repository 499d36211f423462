"""Pilots with real worker processes: the true cost lies in the interval, and nothing is stuck when who watches dies."""

import random
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agents.models import AgentVersion
from batches.estimating.from_rows import RowsEstimate, estimate_batch
from batches.manager import BatchManager
from batches.models import Attempt, Batch, Run
from batches.states import BatchState
from credentials.models import Credential, User
from tests.support.commands import run_command
from tests.support.factories import make_agent, make_batch, make_credential, make_superuser
from tests.support.waiting import wait_for
from tests.support.worker_harness import ROOT, Workers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.worker]
BATCHES, ROWS, PILOT = 20, 300, 40
# Of 20 intervals of 90%. The seeds are fixed, so the number is always the same.
LEAST_HELD = 17
SCHEMA = {"type": "object", "properties": {"topic": {"enum": ["delivery", "refund"]}, "why": {"type": "string"}}}


def distribution(number: int) -> dict[str, Any]:
    """Return how long the answers of a batch are: lognormal mostly, of small and large spread."""
    match number % 5:
        case 0:
            return {"distribution": "uniform", "low": 5, "high": 150}
        case 1:
            return {"distribution": "exponential", "mean": 70}
        case _:
            return {"distribution": "lognormal", "median": 60, "sigma": 0.4 + 0.1 * (number % 7)}


def agent_of(owner: User, credential: Credential, number: int) -> AgentVersion:
    simulated: dict[str, Any] = {"seed": number, "latency": 0, "output_tokens": distribution(number)}
    if number % 10 == 9:
        simulated["reply"] = "echo"
    fields = {"output_schema": SCHEMA} if number % 10 == 8 else {}
    parameters = {"simulated": simulated}
    agent = make_agent(owner, credential=credential, parameters=parameters, instructions="Be kind.", **fields)
    assert agent.current_version is not None
    return agent.current_version


def texts(number: int) -> list[dict[str, str]]:
    """Return rows of mixed lengths: lognormal, and every other batch with a tenth of much longer ones."""
    draw = random.Random(number)
    sizes = [round(60 * draw.lognormvariate(0, 0.7)) for _ in range(ROWS)]
    if number % 2:
        sizes = [size * 12 if draw.random() < 0.1 else size for size in sizes]
    return [{"text": f"{index} {'word ' * size}"} for index, size in enumerate(sizes)]


def states() -> list[str]:
    return list(Batch.objects.order_by("pk").values_list("state", flat=True))


def test_the_true_cost_lies_in_the_interval_of_most_batches(worker_env: dict[str, str]) -> None:
    owner = make_superuser()
    credential, manager = make_credential(owner), BatchManager(owner)
    # The ids are the seeds of the pilots.
    batches = [
        make_batch(owner, agent_of(owner, credential, number), texts(number), id=1_000 + number)
        for number in range(BATCHES)
    ]
    with Workers(1, env=worker_env):
        for batch in batches:
            manager.pilot(batch, PILOT)
        wait_for(lambda: set(states()) == {BatchState.PAUSED}, 60, "the pilots to end")
        estimates = [pilot_estimate(batch) for batch in batches]
        for batch in batches:
            manager.resume(batch)
        wait_for(lambda: set(states()) == {BatchState.COMPLETED}, 60, "the batches to end")
    held = [is_held(estimate) for estimate in estimates]
    assert sum(held) >= LEAST_HELD, [number for number, is_true in enumerate(held) if not is_true]
    assert all(estimate.totals.cost.high < 3 * estimate.totals.cost.low for estimate in estimates)
    # No row of a pilot ran twice.
    assert Attempt.objects.count() == BATCHES * ROWS
    assert not Run.objects.exclude(attempt=1).exists()


def pilot_estimate(batch: Batch) -> RowsEstimate:
    batch.refresh_from_db()
    assert (batch.done, batch.succeeded) == (PILOT, PILOT)
    return estimate_batch(batch)


def is_held(estimate: RowsEstimate) -> bool:
    """Whether what the batch has cost in the end lies in the interval that its pilot gave."""
    truth = float(Batch.objects.get(pk=estimate.batch.pk).cost)
    return estimate.totals.cost.low <= truth <= estimate.totals.cost.high


def write_rows(path: Path, rows: int) -> Path:
    path.write_text("text\n" + "".join(f"row {number} {'word ' * (number % 30)}\n" for number in range(rows)))
    return path


def test_the_command_runs_a_pilot_and_the_batch_goes_on_after_it(worker_env: dict[str, str], tmp_path: Path) -> None:
    make_agent(make_superuser(), slug="echo")
    path = write_rows(tmp_path / "rows.csv", 120)
    with Workers(1, env=worker_env):
        result = run_command("batches", "estimate", "echo", path, "--pilot", "20", "--name", "trial", "--json")
        assert result.code == 0, result.err
        batch = Batch.objects.get()
        assert (batch.name, batch.state, batch.succeeded) == ("trial", BatchState.PAUSED, 20)
        assert batch.state_reason == "Pilot of 20 rows done: resume to run the rest."
        assert "20/20 done" in result.err
        told = result.data["cost"]
        assert told["low"] < told["estimate"] < told["high"]
        assert run_command("batches", "resume", str(batch.pk)).code == 0
        assert run_command("batches", "watch", str(batch.pk)).code == 0
    batch.refresh_from_db()
    assert (batch.state, batch.succeeded) == (BatchState.COMPLETED, 120)
    assert told["low"] <= float(batch.cost) <= told["high"]
    again = run_command("batches", "estimate", "--batch", str(batch.pk), "--json").data["cost"]
    assert again["low"] == pytest.approx(float(batch.cost)) == again["high"]


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_pilot_that_nobody_watches_any_more_is_paused_by_maintenance(
    worker_env: dict[str, str], tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    make_agent(make_superuser(), slug="echo")
    path = write_rows(tmp_path / "rows.csv", 60)
    arguments = ["batches", "estimate", "echo", str(path), "--pilot", "10"]
    command = subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=worker_env,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background has Ctrl-C ignored, which a process would inherit.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert command.stderr is not None
        # What it says when the pilot has begun.
        assert "a pilot of 10 of 60 rows runs" in command.stderr.readline()
        command.send_signal(sent)
        _, rest = command.communicate(timeout=20)
    finally:
        command.kill()
    assert command.returncode == code
    assert ("batches estimate --batch" in rest) is (sent is signal.SIGINT)
    with Workers(1, env=worker_env):
        wait_for(lambda: states() == [BatchState.PAUSED], 20, "maintenance to end the pilot")
    batch = Batch.objects.get()
    assert (batch.done, batch.pilot) == (10, None)
    assert batch.state_reason == "Pilot of 10 rows done: resume to run the rest."


def test_a_worker_that_is_killed_in_a_pilot_loses_none_of_its_rows(worker_env: dict[str, str]) -> None:
    slow = {"simulated": {"reply": "echo", "latency": 0.5}}
    batch = make_batch(version=make_agent(parameters=slow).current_version, rows=60)
    with Workers(2, env=worker_env, slots=5, lease_seconds=4) as workers:
        BatchManager(batch.owner).pilot(batch, 30)
        running = Run.objects.of_batch(batch.pk).filter(state="running")
        wait_for(lambda: running.values("lease__process").distinct().count() == 2, 20, "both processes to hold rows")
        workers.kill(0)
        wait_for(lambda: states() == [BatchState.PAUSED], 60, "the pilot to end")
    batch.refresh_from_db()
    assert (batch.succeeded, batch.done) == (30, 30)
