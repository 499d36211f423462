"""Killed workers: when each was killed, and when somebody took up what it held."""

from collections.abc import Mapping

from batches.models import Attempt, Batch

from .check import Check, Injection

TAKEN_UP_SECONDS = 30.0


def pid_of(process: str) -> int:
    """Return the process id in the name of a worker process (host, process id and start make it), 0 without one."""
    parts = process.split(":")
    return int(parts[-2]) if len(parts) > 1 and parts[-2].isdecimal() else 0


def taken_up(injection: Injection, batch: Batch, killed_at: Mapping[int, float]) -> Check:
    """Return the check that every row of a killed worker began its next attempt in time.

    `killed_at` tells the Unix time by process id. What a process that nobody killed gave up is not looked at. When the
    next attempt began is unknown where its process was killed too: it died with it, so that such rows only count.
    """
    attempts = Attempt.objects.filter(run__batch=batch)
    crashed = [
        (run, number, killed_at[pid_of(worker)])
        for run, number, worker in attempts.filter(outcome="crashed").values_list("run", "number", "worker")
        if pid_of(worker) in killed_at
    ]
    began = {(run, number): began for run, number, began in attempts.values_list("run", "number", "started_at")}
    followed = [(began[run, number + 1], killed) for run, number, killed in crashed if (run, number + 1) in began]
    waits = [start.timestamp() - killed for start, killed in followed if start is not None]
    never, again = len(crashed) - len(followed), len(followed) - len(waits)
    measured = f"{max(waits, default=0):.1f} s at most, {never} never, {again} by a process that was killed too"
    expected = f"rows taken up again within {TAKEN_UP_SECONDS:g} s"
    return injection.expect(expected, measured, bool(waits) and not never and max(waits) <= TAKEN_UP_SECONDS)
