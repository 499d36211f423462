"""What worker processes use: CPU seconds, and memory as PSS, in which shared pages count once."""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import psutil

SAMPLE_SECONDS = 0.5
MB = 1_000_000


class Meter:
    """`with Meter(pids) as meter: ...`: what these processes used meanwhile, together."""

    def __init__(self, pids: Sequence[int]) -> None:
        """Watch the processes `pids`; one that ends meanwhile counts up to its last sample."""
        self._processes = [psutil.Process(pid) for pid in pids]
        self._cpu_before: dict[int, float] = {}
        self._cpu_now: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak_pss = 0

    @property
    def cpu_seconds(self) -> float:
        """User and system time of all the processes since the beginning."""
        return sum(self._cpu_now.values()) - sum(self._cpu_before.values())

    @property
    def peak_pss_mb(self) -> float:
        """The highest sum of their PSS that was seen, in MB."""
        return self.peak_pss / MB

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
        self.peak_pss = max(self.peak_pss, pss)
