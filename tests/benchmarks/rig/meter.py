"""What worker processes use: CPU seconds, and memory as PSS, in which shared pages count once."""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import psutil

SAMPLE_SECONDS = 0.5
MB = 1_000_000


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the user and system time that these processes have used since their start, together.

    Looking at memory stops a process for milliseconds; this does not.
    """
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(one.user + one.system for one in times)


class Meter:
    """`with Meter(pids) as meter: ...`: what these processes used meanwhile, together."""

    def __init__(self, pids: Sequence[int]) -> None:
        """Watch the processes `pids`; one that ends meanwhile counts up to its last sample."""
        self._processes = [psutil.Process(pid) for pid in pids]
        self._cpu_before: dict[int, float] = {}
        self._cpu_now: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.pss_samples: list[int] = []  # bytes, all processes together

    @property
    def cpu_seconds(self) -> float:
        """User and system time of all the processes since the beginning."""
        return sum(self._cpu_now.values()) - sum(self._cpu_before.values())

    @property
    def peak_pss_mb(self) -> float:
        """The highest sum of their PSS that was seen, in MB."""
        return max(self.pss_samples) / MB

    @property
    def growth_mb(self) -> float:
        """By how much the highest sum of their PSS is above the first, in MB."""
        return self.peak_pss_mb - self.pss_samples[0] / MB

    def pss_mb_at(self, share: float) -> float:
        """Return the sum of their PSS, in MB, when this share (0 to 1) of the time had passed."""
        return self.pss_samples[round(share * (len(self.pss_samples) - 1))] / MB

    def __enter__(self) -> Self:
        """Begin."""
        self._sample()
        self._cpu_before = dict(self._cpu_now)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take the last sample."""
        self._ended.set()
        self._thread.join()
        self._sample()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        pss = 0
        for process in self._processes:
            try:
                times = process.cpu_times()
                self._cpu_now[process.pid] = times.user + times.system
                pss += process.memory_full_info().pss
            except psutil.Error:
                continue
        self.pss_samples.append(pss)
