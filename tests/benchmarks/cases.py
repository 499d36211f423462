"""The benchmarks. To add one: a module with `run(rig, size, **options)` that yields figures, and a line here."""

from .rig.case import Case

HERE = "tests.benchmarks"
SERVER = {"through_server": True}

CASES = (
    Case("launch", f"{HERE}.launch", "100 agents of 5 s started singly at once", 100, 120, repeats=3),
    Case("throughput", f"{HERE}.throughput", "10,000 rows that take 0 s, file in to file out", 10_000, 180, repeats=3),
    Case("in-flight", f"{HERE}.in_flight", "2,000 rows of 2 s, 1,000 at a time", 2_000, 120, repeats=3),
    Case(
        "server-throughput",
        f"{HERE}.throughput",
        "10,000 rows that take 0 s, through the openai provider",
        10_000,
        240,
        repeats=3,
        options=SERVER,
    ),
    Case(
        "server-in-flight",
        f"{HERE}.in_flight",
        "2,000 rows of 2 s, 1,000 at a time, through the openai provider",
        2_000,
        180,
        repeats=3,
        options=SERVER,
    ),
    Case("growth", f"{HERE}.growth", "CPU a row at 100,000 rows and at 10,000", 100_000, 900, long=True),
)
