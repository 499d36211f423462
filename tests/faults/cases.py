"""The faults. To add one: a module with `run(rig, size, **options)` that yields checks, and a line here.

A number before a case's words is its row in the table of faults that the project has to pass ("row 7" in the modules);
I is what every batch has to be after them (`audit.whole`).
"""

from tests.benchmarks.rig.case import Case

from .limits import ceiling, requests_limit, tokens_limit

HERE = "tests.faults"
N = 10_000
# Requests a minute that make a batch of N rows last longer than the server's window of a minute.
LIMIT = 6_000
TOKENS_LIMIT = 1_400_000
# Less than the workers' slots.
CEILING = 60

CASES = (
    Case("launch20", f"{HERE}.launch20", "100 agents of 5 s started singly at once, 20 times", 100, 240, repeats=20),
    Case("tenk", f"{HERE}.tenk", "10,000 rows through real workers", N, 120),
    Case("kill9", f"{HERE}.kill9", "1: kill -9 one worker every 5 s, 20 times", N, 420, repeats=20),
    Case("sigterm", f"{HERE}.sigterm", "2: SIGTERM all workers, restart", N, 240),
    Case(
        "redis-restart",
        f"{HERE}.redis_loss",
        "3: Valkey killed, restarted",
        N,
        360,
        options={"how": "restart", "limit": requests_limit(LIMIT)},
    ),
    Case(
        "redis-empty",
        f"{HERE}.redis_loss",
        "3: Valkey killed, its data lost",
        N,
        360,
        options={"how": "empty", "limit": requests_limit(LIMIT)},
    ),
    Case(
        "redis-flush",
        f"{HERE}.redis_loss",
        "3: FLUSHALL",
        N,
        360,
        options={"how": "flush", "limit": requests_limit(LIMIT)},
    ),
    Case(
        "redis-flush-tokens",
        f"{HERE}.redis_loss",
        "3: FLUSHALL, with a limit of tokens",
        N,
        360,
        options={"how": "flush", "limit": tokens_limit(TOKENS_LIMIT)},
    ),
    Case(
        "redis-empty-ceiling",
        f"{HERE}.redis_loss",
        "3: Valkey killed, its data lost, with a ceiling of calls in flight",
        N,
        360,
        options={"how": "empty", "limit": ceiling(CEILING)},
    ),
    Case("redis-frozen", f"{HERE}.redis_frozen", "4: Valkey frozen for 120 s, pages asked for", N, 360),
    Case(
        "postgres",
        f"{HERE}.postgres_loss",
        "5: PostgreSQL restarted, then down for 60 s",
        N,
        300,
        databases=("postgresql",),
    ),
    Case("duplicates", f"{HERE}.duplicates", "6: every message delivered three times", N, 180),
    Case("frozen-worker", f"{HERE}.frozen_worker", "7: a worker frozen for 180 s", N, 420),
    Case(
        "killed-starts",
        f"{HERE}.killed_starts",
        "8: commands killed right after COMMIT, 100 times",
        N,
        480,
        repeats=100,
    ),
    Case(
        "web-killed",
        f"{HERE}.web_killed",
        "8: the web process killed right after COMMIT, 100 times",
        N,
        900,
        repeats=100,
    ),
    Case("leaders", f"{HERE}.leaders", "9: the maintenance leader killed 10 times, two forced", N, 480, repeats=10),
    Case("refusals", f"{HERE}.refusals", "10: 30% of the calls refused, Retry-After 7", N, 300),
    Case("outage", f"{HERE}.outage", "11: every call fails (500) for 5 minutes", N, 600),
    Case(
        "overload",
        f"{HERE}.outage",
        "11: every call is refused for overload (503) for a minute",
        N,
        360,
        options={"fault": "overloaded", "seconds": 60},
    ),
    Case("junk", f"{HERE}.junk", "12: stalled, cut, huge and endless answers", N, 900),
    Case("poison", f"{HERE}.poison", "13: 3 rows that kill their process, among 2,000", 2_000, 420),
    Case("pause", f"{HERE}.pause", "14: pause at 50%, resume", N, 180),
    Case("cancel", f"{HERE}.cancel", "14: cancel at 50%", N, 180),
    Case("bad-key", f"{HERE}.key_trouble", "the key is refused at 50%", N, 240, options={"trouble": "key"}),
    Case("quota", f"{HERE}.key_trouble", "the quota is used up at 50%", N, 240, options={"trouble": "quota"}),
)
