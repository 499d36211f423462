"""What cases conclude from what they saw."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.rig.case import Size
from tests.support.deadly_rows import deaths, environment
from tests.support.worker_harness import ROOT

from .killing import pid_of
from .outage import opened_at
from .poison import mark_of
from .scene import lasting

DIES_OF = """
import asyncio
from agents.llm.client import LLMClient
from agents.llm.types import CompletionRequest, Message

class Provider:
    async def complete(self, request):
        raise SystemExit(7)

request = CompletionRequest("model", (Message("user", {prompt!r}),))
asyncio.run(LLMClient(Provider()).complete(request))
"""


@pytest.mark.parametrize(
    ("counts", "opened"),
    [
        ([0] * 20, 0.0),
        ([0, 50, 90, 100, *[100] * 10], 3.0),
        # A probe every five seconds.
        ([0, 50, 60, 61, 61, 61, 61, 61, 62, 62, 62, 62, 62, 63, 63, 63], 2.0),
        (list(range(0, 40, 2)), None),
    ],
)
def test_breaker_is_open_when_only_probes_arrive(counts: list[int], opened: float | None):
    assert opened_at(counts) == opened


def test_process_id_is_read_from_a_worker_name():
    assert pid_of("host:4711:123456") == 4711
    assert pid_of("elsewhere") == 0
    assert pid_of("host:nobody:1") == 0


def test_calls_last_as_long_as_the_faults_need():
    assert lasting(100.0, Size(10_000, 1), slots=50) == 1.0
    assert lasting(1.0, Size(10_000, 1), slots=50) == 0.2


def test_mark_is_of_one_row_alone():
    assert mark_of(7) not in f"{mark_of(70)} {mark_of(71)}"


@pytest.mark.parametrize(
    ("prompt", "code", "count"), [("Ticket 7: dies", -signal.SIGKILL, 1), ("Ticket 70: lives", 7, 0)]
)
def test_marked_prompt_kills_whatever_process_asks(prompt: str, code: int, count: int, tmp_path: Path):
    folder = tmp_path / "deadly"
    env = {**os.environ, **environment(folder, [mark_of(7), mark_of(8)], str(ROOT))}
    done = subprocess.run([sys.executable, "-c", DIES_OF.format(prompt=prompt)], cwd=ROOT, env=env, check=False)
    assert done.returncode == code
    assert [mark for _, mark in deaths(folder)] == [mark_of(7)] * count
