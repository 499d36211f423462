"""Rows that kill the process which runs them, for worker processes of tests: by a `sitecustomize` on their path."""

from collections.abc import Mapping
from pathlib import Path

MARKER = "kill-me"
_MODULE = f"""
import os, signal
from agents.llm.providers.simulated.provider import SimulatedProvider as Provider

_complete = Provider.complete


async def complete(self, request):
    if {MARKER!r} in str(request):
        with open(os.path.join(os.path.dirname(__file__), "deaths"), "a") as file:
            file.write(f"{{os.getpid()}}\\n")
        os.kill(os.getpid(), signal.SIGKILL)
    return await _complete(self, request)


Provider.complete = complete
"""


class DeadlyRows:
    """Makes prompts that hold MARKER deadly in processes started with `env`; counts what they killed."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        """Write the module into `folder`, put in front of the modules' path of `env`."""
        self._deaths = folder / "deaths"
        (folder / "sitecustomize.py").write_text(_MODULE)
        self.env = {**env, "PYTHONPATH": f"{folder}:{env['PYTHONPATH']}"}

    @property
    def deaths(self) -> list[int]:
        """The ids of the processes that were killed, in order."""
        return [int(line) for line in self._deaths.read_text().split()] if self._deaths.exists() else []
