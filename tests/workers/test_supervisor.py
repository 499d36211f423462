"""The supervisor: parts start, are started again, and stop in order, whatever they do."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.waiting import wait_for
from workers.supervisor import Part, PartKeeper

ROOT = Path(__file__).resolve().parent.parent.parent

# A supervisor of small parts. Each part appends what happens to it to the file `events`.
PROGRAM = """
import sys
from pathlib import Path
from workers import supervisor
from workers.supervisor import Part, PartFailed, Supervisor

folder = Path(sys.argv[1])
supervisor.START_SECONDS = 3.0
supervisor.FIRST_DELAY = 0.05

def part(name, body, grace=5.0):
    head = f"import os, signal, sys, time; events = open({str(folder / 'events')!r}, 'a', buffering=1);"
    tail = f"\\nprint('{name} runs', os.getpid(), file=events)\\ntime.sleep(60)"
    ready = lambda pid: f"{name} runs {pid}" in (folder / "events").read_text()
    return Part(name, [sys.executable, "-c", head + body + tail], ready, grace)

def stops(name):
    return f"\\ndef stop(*_): print('{name} stops', file=events); sys.exit()\\nsignal.signal(signal.SIGTERM, stop)"

STAGES
try:
    Supervisor(stages, lambda name, line: print(f"{name}: {line}", flush=True)).run(lambda: print("ready", flush=True))
except PartFailed as error:
    print(f"failed: {error}", flush=True)
    raise SystemExit(1)
print("end", flush=True)
"""


class Run:
    """A supervisor in a process of its own."""

    def __init__(self, folder: Path, stages: str) -> None:
        self.events_path = folder / "events"
        self.events_path.touch()
        self.output = folder / "output"
        program = PROGRAM.replace("STAGES", textwrap.dedent(stages))
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, str(folder)], cwd=ROOT, stdout=output, stderr=output
            )

    def said(self) -> str:
        return self.output.read_text()

    def events(self) -> list[str]:
        return self.events_path.read_text().splitlines()

    def pid_of(self, name: str) -> int:
        """The process id of a part as it was started last."""
        return int([line.split()[-1] for line in self.events() if line.startswith(f"{name} runs")][-1])

    def await_text(self, text: str) -> None:
        wait_for(lambda: text in self.said() or self.process.poll() is not None, 15, f"'{text}' in: {self.said()}")
        assert text in self.said()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[object]:
    runs: list[Run] = []

    def start(stages: str) -> Run:
        runs.append(Run(tmp_path, stages))
        return runs[-1]

    yield start
    for run in runs:
        run.process.kill()
        run.process.wait()


def test_parts_stop_stage_by_stage_and_what_they_print_carries_their_name(start) -> None:
    run = start(
        """
        shouts = "\\nprint('a line of', 'a')"
        stages = [[part("a", shouts + stops("a"))], [part("b", stops("b"))], [part("c", stops("c")), part("d", "")]]
        """
    )
    run.await_text("ready")
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(10) == 0
    assert [line for line in run.events() if "stops" in line] == ["a stops", "b stops", "c stops"]
    assert "a: a line of a\n" in run.said()
    assert run.said().endswith("end\n")


def test_a_part_that_dies_is_started_again_and_the_others_stay(start) -> None:
    run = start('stages = [[part("a", "")], [part("b", "")]]')
    run.await_text("ready")
    dying, staying = run.pid_of("a"), run.pid_of("b")
    os.kill(dying, signal.SIGKILL)
    wait_for(lambda: run.pid_of("a") != dying, 5, "a second start")
    assert run.pid_of("b") == staying
    assert "a: ended with exit code -9; starts again in 0.05 s" in run.said()


def test_a_part_that_never_starts_ends_all(start) -> None:
    run = start('stages = [[part("good", "")], [part("bad", "sys.exit(7)")]]')
    assert run.process.wait(10) == 1
    assert "failed: bad does not start (exit code 7)." in run.said()
    assert "ready" not in run.said().splitlines()
    assert not psutil.pid_exists(run.pid_of("good"))


def test_a_part_that_runs_but_never_answers_is_given_up(start) -> None:
    run = start('silent = part("mute", "")\nstages = [[Part("mute", silent.command, lambda pid: 1 / 0)]]')
    assert run.process.wait(10) == 1
    assert "failed: mute does not answer after 3 s." in run.said()


def test_a_part_that_ignores_the_signal_is_killed_with_all_it_started_when_its_grace_is_over(start) -> None:
    run = start(
        """
        deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN); import subprocess;"
        child = "child = subprocess.Popen(['sleep', '60']); print('child runs', child.pid, file=events)"
        stages = [[part("deaf", deaf + child, grace=0.3)]]
        """
    )
    run.await_text("ready")
    run.process.terminate()
    assert run.process.wait(10) == 0
    assert "deaf: did not end within 0.3 s and is killed" in run.said()
    wait_for(lambda: not lives(run.pid_of("child")), 5, "the child of the part to end")


def test_a_second_signal_kills_at_once(start) -> None:
    run = start('stages = [[part("deaf", "signal.signal(signal.SIGTERM, signal.SIG_IGN)", grace=60)]]')
    run.await_text("ready")
    run.process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        run.process.wait(0.5)
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(5) == 0
    assert "Killing what still runs." in run.said()


def test_no_part_outlives_a_supervisor_that_was_killed(start) -> None:
    run = start('stages = [[part("a", "")], [part("b", "")]]')
    run.await_text("ready")
    pids = [run.pid_of("a"), run.pid_of("b")]
    run.process.kill()
    wait_for(lambda: not any(map(lives, pids)), 5, "the parts to end")


def test_what_is_no_part_is_watched_and_its_trouble_told(start) -> None:
    run = start(
        """
        supervisor.WATCH_SECONDS = 0.05
        def watch():
            raise RuntimeError("the server is gone")
        real = Supervisor
        Supervisor = lambda stages, say: real(stages, say, watch)
        stages = [[part("a", "")]]
        """
    )
    run.await_text("ready")
    wait_for(lambda: run.said().count(": the server is gone") > 2, 5, "several looks")
    run.process.terminate()
    assert run.process.wait(10) == 0


def test_a_line_without_end_is_passed_on_in_bounded_pieces(start) -> None:
    run = start("""stages = [[part("long", "sys.stdout.write('x' * 3_000_000 + '\\\\n'); sys.stdout.flush()")]]""")
    run.await_text("ready")
    wait_for(lambda: run.said().count("x") == 3_000_000, 5, "the whole line")
    assert max(map(len, run.said().splitlines())) < 1_000_000


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def slow_start(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let a process be told of only a while after it was started; returns the ids of those that were started."""
    pids: list[int] = []
    real = asyncio.create_subprocess_exec

    async def create(*arguments, **options):
        process = await real(*arguments, **options)
        pids.append(process.pid)
        await asyncio.sleep(0.3)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", create)
    return pids


async def test_a_part_that_is_just_being_started_is_stopped_too(slow_start: list[int]) -> None:
    keeper = PartKeeper(Part("slow", ["sleep", "60"], lambda pid: True), lambda name, line: None)
    keeping = asyncio.create_task(keeper.keep())
    await asyncio.sleep(0.1)
    await keeper.stop()
    assert len(slow_start) == 1
    assert not lives(slow_start[0])
    await asyncio.wait_for(keeping, 2)


async def test_a_part_that_is_just_being_started_is_killed_too(slow_start: list[int]) -> None:
    deaf = ["sh", "-c", "trap '' TERM; sleep 60"]
    keeper = PartKeeper(Part("deaf", deaf, lambda pid: True, grace_seconds=60), lambda name, line: None)
    keeping = asyncio.create_task(keeper.keep())
    await asyncio.sleep(0.1)
    stopping = asyncio.create_task(keeper.stop())
    keeper.kill()
    await asyncio.wait_for(asyncio.gather(keeping, stopping), 5)
    assert [lives(pid) for pid in slow_start] == [False]
