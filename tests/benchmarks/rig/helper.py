"""A program beside a case, in a process of its own, so that what it costs is not the case's."""

import json
import signal
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

from tests.support.worker_harness import ROOT
from workers.processes import dies_with_parent

END_SECONDS = 10


class Helper:
    """`with Helper("tests.benchmarks.name") as helper: helper.ask(...)`. The module answers lines (`lines.py`)."""

    def __init__(self, module: str, *arguments: str) -> None:
        """Start the module with these arguments."""
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=dies_with_parent(signal.SIGKILL),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it."""
        if kind is not None:
            self._process.kill()
        self._process.communicate(timeout=END_SECONDS)

    def ask(self, question: Any) -> Any:
        """Return the answer to a question; both are JSON. Raises RuntimeError where the process fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(question)}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._module} ended")
        return json.loads(answer)
