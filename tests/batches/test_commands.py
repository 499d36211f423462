"""`manage.py batches` and `manage.py runs`, with real workers where rows must run."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from agents.models import Agent
from batches.manager import BatchManager
from batches.models import Batch, Run
from batches.states import BatchState
from tests.support.commands import run_command
from tests.support.factories import ECHO, make_agent, make_batch, make_single_run, make_superuser, make_user
from tests.support.waiting import wait_for
from tests.support.worker_harness import ROOT, Workers

from .execution.helpers import claim, failure, success

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("custom_id,text\n" + "".join(f"id{number},row {number}\n" for number in range(30)))
    return path


def records(path: Path) -> list[dict[str, object]]:
    """Return the records of a JSONL results file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def simulated(**settings: object) -> dict[str, object]:
    """Return parameters of an echoing simulated model with `settings`."""
    return {"simulated": {**ECHO["simulated"], **settings}}


@pytest.mark.worker
def test_run_ends_with_zero_and_every_result_in_order(
    worker_env: dict[str, str], csv_file: Path, tmp_path: Path
) -> None:
    make_agent(make_superuser(), slug="echo")
    output = tmp_path / "results.jsonl"
    with Workers(1, env=worker_env):
        result = run_command("batches", "run", "echo", csv_file, "--output", output, "--json")
    assert result.code == 0, result.err
    assert (result.data["state"], result.data["succeeded"]) == ("completed", 30)
    assert [(record["index"], record["custom_id"], record["output"]) for record in records(output)] == [
        (number, f"id{number}", f"row {number}") for number in range(30)
    ]


@pytest.mark.worker
def test_run_ends_with_one_and_counts_by_code_when_rows_fail(
    worker_env: dict[str, str], csv_file: Path, tmp_path: Path
) -> None:
    make_agent(make_superuser(), slug="echo", parameters=simulated(errors={"content_policy": 0.5}))
    output = tmp_path / "results.csv"
    with Workers(1, env=worker_env):
        result = run_command("batches", "run", "echo", csv_file, "--output", output)
    assert result.code == 1
    batch = Batch.objects.get()
    assert 0 < batch.failed < 30
    assert f"{batch.failed} content_policy" in result.out
    assert len(output.read_text().splitlines()) == 31


@pytest.mark.worker
def test_start_workers_needs_nothing_else_running(worker_env: dict[str, str], csv_file: Path, tmp_path: Path) -> None:
    make_agent(make_superuser(), slug="echo")
    output = tmp_path / "results.jsonl"
    command = [sys.executable, "manage.py", "batches", "run", "echo", str(csv_file), "--output", str(output)]
    done = subprocess.run(
        [*command, "--start-workers"], cwd=ROOT, env=worker_env, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    assert len(records(output)) == 30
    assert "30 succeeded" in done.stdout


@pytest.mark.worker
def test_without_a_worker_it_says_how_to_start_one_and_ctrl_c_detaches(
    worker_env: dict[str, str], csv_file: Path
) -> None:
    make_agent(make_superuser(), slug="echo")
    process = subprocess.Popen(
        [sys.executable, "manage.py", "batches", "run", "echo", str(csv_file)],
        cwd=ROOT,
        env=worker_env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background has them ignore it.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    wait_for(lambda: Batch.objects.filter(state=BatchState.RUNNING).exists(), 30, "the batch to start")
    wait_for(lambda: process.poll() is not None or _asked(process.pid), 1.5, "a moment", every=0.5)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    batch = Batch.objects.get()
    assert process.returncode == 130
    assert "celery -A arboretum worker" in err
    assert f"manage.py batches watch {batch.pk}" in err
    assert batch.state == BatchState.RUNNING


def _asked(pid: int) -> bool:
    """Give the watching process a moment to look for workers."""
    import time

    time.sleep(1)
    return pid > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nobody", "FILE"], "no agent"),
        (["run", "echo", "missing.csv"], "missing.csv"),
        (["run", "echo", "FILE", "--output", "results.txt"], "ending"),
        (["run", "echo", "FILE", "--output", "/nowhere/results.csv"], "does not exist"),
        (["run", "echo", "FILE", "--priority", "top"], "invalid choice"),
        (["status", "99"], "no batch 99"),
        (["status", "x"], "invalid int"),
        (["retry", "99", "--code", "oops"], "invalid choice"),
    ],
)
def test_bad_arguments_end_with_two_and_create_nothing(csv_file: Path, arguments: list[str], message: str) -> None:
    make_agent(make_superuser(), slug="echo")
    result = run_command("batches", *[str(csv_file) if part == "FILE" else part for part in arguments])
    assert result.code == 2
    assert message in result.err
    assert not Batch.objects.exists()


def test_bad_rows_are_named_and_nothing_is_created(tmp_path: Path) -> None:
    make_agent(make_superuser(), slug="echo")
    path = tmp_path / "bad.csv"
    path.write_text("text\none\ntwo,too many\nthree\n")
    result = run_command("batches", "create", "echo", path)
    assert result.code == 2
    assert "line 3" in result.err
    assert not Batch.objects.exists()
    assert run_command("batches", "create", "echo", path, "--skip-bad-rows").code == 0
    batch = Batch.objects.get()
    assert (batch.total, batch.skipped_rows) == (2, 1)


def test_pause_resume_cancel_retry_status_and_list(csv_file: Path) -> None:
    owner = make_superuser()
    batch = make_batch(version=make_agent(owner).current_version, rows=3)
    assert run_command("batches", "resume", batch.pk).code == 0
    assert run_command("batches", "pause", batch.pk, "--json").data["state"] == "paused"
    assert run_command("batches", "pause", batch.pk).code == 2
    runs = claim(batch)
    from batches.execution.storing import store_outcomes

    store_outcomes([success(runs[0]), failure(runs[1], "timeout"), failure(runs[2], "not_found")])
    Batch.objects.update(state=BatchState.COMPLETED)
    retried = run_command("batches", "retry", batch.pk, "--code", "timeout", "--json")
    assert (retried.data["retried"], retried.data["state"]) == (1, "running")
    assert "not_found" in run_command("batches", "status", batch.pk).out
    assert [found["id"] for found in run_command("batches", "list", "--json").data] == [batch.pk]
    assert run_command("batches", "cancel", batch.pk).code == 0
    batch.refresh_from_db()
    assert (batch.succeeded, batch.failed, batch.cancelled) == (1, 1, 1)


def test_priority_and_weight_are_chosen_changed_and_shown(csv_file: Path) -> None:
    make_agent(make_superuser(), slug="echo")
    created = run_command(
        "batches", "create", "echo", csv_file, "--priority", "high", "--weight", "3", "--start", "--json"
    )
    assert (created.data["priority"], created.data["weight"], created.data["state"]) == ("high", 3, "running")
    number = created.data["id"]
    changed = run_command("batches", "change", number, "--priority", "low")
    assert (changed.code, changed.out.strip()) == (0, f"Batch {number} has low priority, weight 3.")
    assert run_command("batches", "change", number, "--weight", "50", "--json").data["weight"] == 50
    status = run_command("batches", "status", number)
    assert "share    low priority, weight 50" in status.out
    data = run_command("batches", "status", number, "--json").data
    assert (data["priority"], data["weight"]) == ("low", 50)
    listed = run_command("batches", "list")
    header, row = listed.out.splitlines()
    assert header.split()[:5] == ["ID", "NAME", "STATE", "PRIORITY", "WEIGHT"]
    assert row.split()[:5] == [str(number), "rows", "running", "low", "50"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a priority, a weight or both"),
        (["--weight", "0"], "1 to 100"),
        (["--weight", "101"], "1 to 100"),
        (["--weight", "much"], "invalid int"),
        (["--priority", "top"], "invalid choice"),
    ],
)
def test_a_change_that_is_not_allowed_ends_with_two(arguments: list[str], message: str) -> None:
    batch = make_batch(version=make_agent(make_superuser()).current_version, rows=1)
    result = run_command("batches", "change", batch.pk, *arguments)
    assert result.code == 2
    assert message in result.err
    batch.refresh_from_db()
    assert (batch.get_priority_display(), batch.weight) == ("Normal", 1)


def test_what_there_is_not_is_said_as_it_is() -> None:
    batch = make_batch(version=make_agent(make_superuser()).current_version, rows=1, state=BatchState.COMPLETED)
    assert run_command("batches", "list", "--state", "failed").out == "No batch is failed.\n"
    assert run_command("batches", "retry", batch.pk).out.startswith("Nothing to run again: ")
    wrong = run_command("batches", "retry", batch.pk, "--code", "nothing")
    assert (wrong.code, "choose from 'rate_limited', 'timeout'" in wrong.err) == (2, True)


def test_a_stranger_and_an_ended_batch_change_nothing() -> None:
    owner = make_superuser()
    batch = make_batch(version=make_agent(owner).current_version, rows=1, state=BatchState.COMPLETED)
    assert "is completed" in run_command("batches", "change", batch.pk, "--weight", "2").err
    stranger = make_user()
    refused = run_command("batches", "change", batch.pk, "--weight", "2", "--as", stranger.username)
    assert (refused.code, f"no batch {batch.pk}" in refused.err) == (2, True)


def test_the_reason_of_a_pause_is_shown_until_the_batch_goes_on() -> None:
    owner = make_superuser()
    batch = make_batch(version=make_agent(owner).current_version, rows=1, state=BatchState.RUNNING)
    assert "STATE_REASON" not in run_command("batches", "list").out
    reason = "invalid_key: the provider refused the key " + "of the credential " * 8
    BatchManager(owner).pause(batch, reason)
    assert f"reason   {reason.strip()}" in run_command("batches", "status", batch.pk).out
    header, row = run_command("batches", "list").out.splitlines()
    assert header.endswith("STATE_REASON")
    assert "invalid_key: the provider refused" in row
    assert len(row) < 240
    assert run_command("batches", "list", "--json").data[0]["state_reason"] == reason
    run_command("batches", "resume", batch.pk)
    assert "invalid_key" not in run_command("batches", "list").out
    assert "invalid_key" not in run_command("batches", "status", batch.pk).out


def test_status_tells_what_is_running_and_what_runs_apart() -> None:
    batch = make_batch(version=make_agent(make_superuser()).current_version, rows=5)
    assert "in hand" not in run_command("batches", "status", batch.pk).out
    claim(batch, 2)
    assert "in hand  2 running\n" in run_command("batches", "status", batch.pk).out
    Run.objects.of_batch(batch.pk).filter(index=4).update(crash_slice=2, crashes=1)
    assert "in hand  2 running, 1 to run apart" in run_command("batches", "status", batch.pk).out
    data = run_command("batches", "status", batch.pk, "--json").data
    assert (data["running"], data["suspects"]) == (2, 1)


def test_retry_with_another_version_by_number(csv_file: Path) -> None:
    from batches.execution.storing import store_outcomes
    from tests.support.factories import make_version

    agent = make_agent(make_superuser())
    batch = make_batch(version=agent.current_version, rows=1)
    store_outcomes([failure(run) for run in claim(batch)])
    second = make_version(agent)
    assert run_command("batches", "retry", batch.pk, "--agent-version", "2").code == 0
    assert Run.objects.get().agent_version == second
    assert run_command("batches", "retry", batch.pk, "--agent-version", "9").code == 2


def test_export_by_state_and_code(tmp_path: Path) -> None:
    from batches.execution.storing import store_outcomes

    batch = make_batch(version=make_agent(make_superuser()).current_version, rows=2)
    runs = claim(batch)
    store_outcomes([success(runs[0], "fine"), failure(runs[1], "timeout")])
    output = tmp_path / "failed.jsonl"
    assert run_command("batches", "export", batch.pk, "--output", output, "--code", "timeout").code == 0
    (record,) = records(output)
    assert record["error"] == {"code": "timeout", "category": "transient", "message": "It was refused."}
    assert run_command("batches", "export", batch.pk, "--output", output, "--state", "lost").code == 2
    assert len(records(output)) == 1


@pytest.mark.worker
def test_a_single_run_by_command(worker_env: dict[str, str]) -> None:
    make_agent(make_superuser(), slug="echo")
    with Workers(1, env=worker_env):
        waited = run_command("runs", "start", "echo", "--input", '{"text": "hello"}', "--wait")
        assert (waited.code, waited.out.strip()) == (0, "hello")
        make_agent(Agent.objects.get().owner, slug="short", max_tokens=1)
        failed = run_command("runs", "start", "short", "--input", '{"text": "hello"}', "--wait")
        assert (failed.code, failed.out) == (1, "")
        assert failed.err.startswith("error: failed: limit_tokens")
    shown = run_command("runs", "show", Run.objects.earliest("id").pk, "--json").data
    assert (shown["output"], shown["attempts"][0]["outcome"]) == ("hello", "succeeded")
    assert [event["kind"] for event in shown["events"]] == ["step"]


def test_single_runs_refuse_bad_input_and_can_be_cancelled() -> None:
    version = make_agent(make_superuser(), slug="echo").current_version
    assert run_command("runs", "start", "echo", "--input", "{").code == 2
    assert run_command("runs", "start", "echo", "--input", "[1]").code == 2
    missing = run_command("runs", "start", "echo", "--input", '{"txt": "x"}')
    assert missing.code == 2
    assert "text" in missing.err
    assert not Run.objects.exists()
    run = make_single_run(version)
    assert run_command("runs", "cancel", run.pk).code == 0
    assert run_command("runs", "cancel", run.pk).code == 2
    assert [found["state"] for found in run_command("runs", "list", "--json").data] == ["cancelled"]
