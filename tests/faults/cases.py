"""The faults. To add one: a module with `run(rig, size, **options)` that yields checks, and a line here."""

from tests.benchmarks.rig.case import Case

HERE = "tests.faults"

CASES = (
    Case("launch20", f"{HERE}.launch20", "100 agents of 5 s started singly at once, 20 times", 100, 240, repeats=20),
    Case("tenk", f"{HERE}.tenk", "10,000 rows through real workers", 10_000, 120),
    Case("kill9", f"{HERE}.kill9", "kill -9 one worker every 5 s, 4 times", 5_000, 180, repeats=4),
    Case("sigterm", f"{HERE}.sigterm", "SIGTERM all workers, restart", 1_500, 120),
    Case("redis-restart", f"{HERE}.redis_loss", "Valkey killed, restarted", 2_000, 120, options={"how": "restart"}),
    Case("redis-empty", f"{HERE}.redis_loss", "Valkey killed, its data lost", 2_000, 120, options={"how": "empty"}),
    Case("redis-flush", f"{HERE}.redis_loss", "FLUSHALL", 2_000, 120, options={"how": "flush"}),
    Case("duplicates", f"{HERE}.duplicates", "every message delivered three times", 2_000, 120),
    Case("pause", f"{HERE}.pause", "pause at 50%, resume", 2_000, 120),
    Case("cancel", f"{HERE}.cancel", "cancel at 50%", 2_000, 120),
)
