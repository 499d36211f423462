"""The benchmarks. To add one: a module with `run(rig, size, **options)` that yields figures, and a line here."""

from .rig.case import Case

HERE = "tests.benchmarks"
SERVER = {"through_server": True}
MORE_SLOTS = {"slots": 1_000, "aim": "1.2 x"}

CASES = (
    Case("launch", f"{HERE}.launch", "100 agents of 5 s started singly at once", 100, 120, repeats=3),
    Case("throughput", f"{HERE}.throughput", "10,000 rows that take 0 s, file in to file out", 10_000, 180, repeats=3),
    Case("in-flight", f"{HERE}.in_flight", "2,000 rows of 2 s, 1,000 at a time", 2_000, 120, repeats=3),
    Case(
        "in-flight-10k",
        f"{HERE}.in_flight",
        "10,000 rows of 2 s, 2,000 at a time on two workers",
        10_000,
        180,
        options=MORE_SLOTS,
    ),
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
    Case(
        "server-in-flight-10k",
        f"{HERE}.in_flight",
        "10,000 rows of 2 s, 2,000 at a time on two workers, through the openai provider",
        10_000,
        240,
        long=True,
        options={**SERVER, **MORE_SLOTS},
    ),
    Case("plain-sdk", f"{HERE}.plain_sdk", "2,000 calls of 2 s, and the plain SDK in turn", 2_000, 240, repeats=3),
    Case(
        "api-completion",
        f"{HERE}.api_completion",
        "1,000 completions of 0.5 s, 50 at once, through the API and straight",
        1_000,
        300,
        repeats=3,
    ),
    Case("api-callers", f"{HERE}.api_callers", "100 different callers of the API at once", 100, 180, repeats=3),
    Case(
        "api-batch",
        f"{HERE}.api_batch",
        "10,000 rows of 2 s, 2,000 at a time, through the API and by command",
        10_000,
        420,
        repeats=3,
    ),
    Case(
        "rpm",
        f"{HERE}.limits",
        "2,700 rows on four workers, 1,200 requests/min",
        2_700,
        540,
        options={"binding": "requests"},
    ),
    Case(
        "tpm",
        f"{HERE}.limits",
        "2,100 rows on four workers, 240,000 tokens/min",
        2_100,
        540,
        options={"binding": "tokens"},
    ),
    Case("pool", f"{HERE}.pools", "2,700 rows on four workers, a pool of 800 and 400 requests/min", 2_700, 540),
    Case("stored-answers", f"{HERE}.stored_answers", "10,000 rows that stored answers serve", 10_000, 240, repeats=3),
    Case("fairness", f"{HERE}.fairness", "batches that share a model; small ones beside 100,000 rows", 100_000, 600),
    Case("adaptive", f"{HERE}.adaptive", "3,000 rows, on a server that bears 100 calls at a time", 3_000, 240),
    Case("estimate", f"{HERE}.estimate", "100,000 rows estimated before a run; how often intervals hold", 100_000, 300),
    Case("growth", f"{HERE}.growth", "CPU a row at 100,000 rows and at 10,000", 100_000, 900, long=True),
    Case(
        "analysis",
        f"{HERE}.analysis",
        "questions over the results of 1,000,000 rows, and data frames of them",
        1_000_000,
        900,
        repeats=5,
        long=True,
    ),
    Case("million", f"{HERE}.million", "1,000,000 rows that take 0 s", 1_000_000, 1_800, long=True),
    Case("api-million", f"{HERE}.api_million", "1,000,000 lines through the API", 1_000_000, 1_800, long=True),
)
