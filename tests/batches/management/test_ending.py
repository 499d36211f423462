"""What happens when a watched batch has ended, from a real command line."""

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from functools import partial
from pathlib import Path

import pytest

from batches.management.commands import batches as batches_command
from batches.management.ending import batch_environment, ring, run_then
from batches.models import Batch
from batches.states import BatchState
from tests.conftest import ROOT
from tests.support.commands import run_command
from tests.support.factories import make_agent, make_batch, make_single_run, make_superuser
from workers.presence import announce

pytestmark = pytest.mark.django_db(transaction=True)
HOSTILE = "x'; touch hacked; $(touch hacked) `touch hacked` \x1b[31m"


@pytest.fixture
def ended() -> Batch:
    batch = make_batch(make_superuser(username="root"), rows=0, name=HOSTILE, state=BatchState.COMPLETED)
    announce("one", {"slots": 1, "busy": 0, "queues": "batch"})
    return batch


def test_the_command_knows_the_batch_by_its_environment_and_its_code_is_told(ended: Batch, tmp_path: Path) -> None:
    out = tmp_path / "told"
    then = f'printf "%s|" "$BATCH_ID" "$BATCH_NAME" "$BATCH_STATE" "$BATCH_TOTAL" "$BATCH_OUTPUT" > {out}; exit 3'
    result = run_command("batches", "watch", str(ended.pk), "--then", then)
    assert result.code == 0
    assert result.err.endswith("The command after the batch ended with 3.\n")
    assert out.read_text() == f"{ended.pk}|{HOSTILE}|completed|0||"


@pytest.mark.security
def test_a_hostile_name_is_never_part_of_a_command_line(ended: Batch, tmp_path: Path) -> None:
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        assert run_then('printf "%s" $BATCH_NAME > told', ended, None) == 0
    finally:
        os.chdir(here)
    assert [path.name for path in tmp_path.iterdir()] == ["told"]


def test_every_fact_is_a_text_that_an_environment_can_hold(tmp_path: Path) -> None:
    batch = Batch(pk=7, name="a\x00b\ud800", state=BatchState.FAILED, total=3, succeeded=1, failed=2, cost=0.25)
    facts = batch_environment(batch, tmp_path / "out.jsonl")
    assert facts.pop("BATCH_NAME") == "a\ufffdb?"
    assert facts == {
        "BATCH_ID": "7",
        "BATCH_STATE": "failed",
        "BATCH_SUCCEEDED": "1",
        "BATCH_FAILED": "2",
        "BATCH_TOTAL": "3",
        "BATCH_COST": "0.250000",
        "BATCH_OUTPUT": str(tmp_path / "out.jsonl"),
    }


def test_a_command_that_a_signal_ended_counts_as_shells_count() -> None:
    assert run_then("kill -9 $$", Batch(pk=1, cost=0), None) == 137


def on_a_terminal(
    worker_env: dict[str, str], *arguments: str, columns: int = 30, interrupt: bool = False
) -> tuple[int, str]:
    """Run a command on a terminal; return its exit code and all that it showed."""
    own, other = pty.openpty()
    termios.tcsetwinsize(own, (24, columns))
    environment = {**worker_env, "TERM": "xterm", "SHELL": "/bin/sh"}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "batches", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=other,
        stdout=other,
        stderr=other,
        start_new_session=True,
        # Whoever runs the tests in the background has Ctrl-C ignored, which a process would inherit.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    os.close(other)
    shown = b""
    began = time.monotonic()
    while True:
        try:
            part = os.read(own, 65536)
        except OSError:
            break
        shown += part
        if not part or time.monotonic() - began > 30:
            break
        if interrupt and b"0/2" in shown:
            interrupt = False
            process.send_signal(signal.SIGINT)
    code = process.wait(30)
    os.close(own)
    return code, shown.decode()


def test_the_bell_rings_at_a_terminal_and_states_have_colours(ended: Batch, worker_env: dict[str, str]) -> None:
    code, shown = on_a_terminal(worker_env, "watch", str(ended.pk), "--bell", "--then", "echo did $BATCH_STATE")
    assert code == 0
    assert "\a" in shown
    assert "did completed" in shown
    assert "\x1b[32mcompleted" in on_a_terminal(worker_env, "list", columns=200)[1]


def test_json_stays_whole_though_the_command_talks(ended: Batch, worker_env: dict[str, str]) -> None:
    command = [sys.executable, "manage.py", "batches", "watch", str(ended.pk), "--json", "--then", "echo noise"]
    done = subprocess.run(command, cwd=ROOT, env=worker_env, capture_output=True, text=True, check=False)
    assert (json.loads(done.stdout)["id"], "noise\n" in done.stderr) == (ended.pk, True)


def test_ctrl_c_rings_and_runs_nothing(worker_env: dict[str, str], tmp_path: Path) -> None:
    batch = make_batch(make_superuser(username="root"), rows=2, state=BatchState.RUNNING)
    then = f"touch {tmp_path}/ran"
    code, shown = on_a_terminal(worker_env, "watch", str(batch.pk), "--bell", "--then", then, interrupt=True)
    assert code == 130
    assert "Detached" in shown
    assert "\a" not in shown
    assert list(tmp_path.iterdir()) == []


def test_no_bell_is_written_into_a_file(tmp_path: Path) -> None:
    with open(tmp_path / "log", "w") as file:
        ring(file)
    assert (tmp_path / "log").read_text() == ""


def test_lists_have_colours_where_they_are_forced_and_never_as_json(
    ended: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = ended.owner
    make_single_run(make_agent(admin).current_version)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32mcompleted\x1b[0m" in run_command("batches", "list").out
    assert "\x1b[32mactive" in run_command("agents", "list").out
    for command in (("batches", "list"), ("runs", "list"), ("agents", "list")):
        assert "\x1b" not in run_command(*command, "--json").out
    assert HOSTILE[-5:] not in run_command("batches", "list").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run_command("batches", "list").out
    assert batches_command._COLOURS["state"]("gone") is None
