"""100 agents started singly at the same moment: all run at once, soon, and all end; again and again."""

from collections.abc import Iterator
from statistics import median

from tests.benchmarks.launch import Launch, launch
from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig
from tests.benchmarks.rig.work import Work

from .check import Check, Injection

RUN_SECONDS = 5.0
LAUNCH_SECONDS = 2.0


def run(rig: Rig, size: Size) -> Iterator[Check]:
    """Yield the checks of `size.repeats` launches of `size.rows` agents on two workers."""
    work = Work(rig.folder)
    versions = [work.agent(f"agent-{number}", seconds=RUN_SECONDS) for number in range(size.rows)]
    with rig.workers():
        work.warm_up(work.agent("warm"))
        launches = [launch(work, versions) for _ in range(size.repeats)]
    injection = Injection(f"{size.rows} agents, {size.repeats} times")
    yield _all_soon(injection, launches, size)
    whole = sum(1 for one in launches if one.succeeded == size.rows)
    expected = f"{size.rows} of {size.rows} finish, {size.repeats} times"
    yield injection.expect(expected, f"{whole} times", whole == size.repeats)


def _all_soon(injection: Injection, launches: list[Launch], size: Size) -> Check:
    times = [one.running for one in launches]
    good = sum(1 for one in launches if one.running <= LAUNCH_SECONDS and one.together == size.rows)
    measured = f"{good} times; all running after {median(times):.2f} s, at most {max(times):.2f} s"
    expected = f"all running at once within {LAUNCH_SECONDS:g} s, {size.repeats} times"
    return injection.expect(expected, measured, good == size.repeats)
