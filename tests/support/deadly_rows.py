"""Rows that kill the process that runs them: `sitecustomize` of a worker imports this, whatever the program is.

The client's `complete` is wrapped when its module is loaded: a prompt with one of the marks is noted in a file, and the
process kills itself (-9), as a segmentation fault or the kernel's memory killer would.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

MODULE = "agents.llm.client"
MARKS, NOTES = "FAULTS_DEADLY_MARKS", "FAULTS_DEADLY_NOTES"


class Wrapper(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads MODULE as everybody would, then wraps its client."""

    def __init__(self) -> None:
        """Know of no module yet."""
        self._loader: importlib.abc.Loader | None = None

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the module's own spec, loaded by this loader."""
        if name != MODULE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None:
            self._loader, spec.loader = spec.loader, self
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Load the module, and wrap."""
        assert self._loader is not None
        self._loader.exec_module(module)
        complete = module.LLMClient.complete

        async def complete_or_die(client: Any, request: Any) -> Any:
            die_of(" ".join(message.content for message in request.messages))
            return await complete(client, request)

        module.LLMClient.complete = complete_or_die


def die_of(prompt: str) -> None:
    """Note the mark that `prompt` holds and kill this process; do nothing where it holds none."""
    for mark in os.environ[MARKS].split(","):
        if mark in prompt:
            # One short write to a file opened for appending is whole, whoever else writes.
            with open(os.environ[NOTES], "a", encoding="utf-8") as notes:
                notes.write(f"{os.getpid()} {mark}\n")
            os.kill(os.getpid(), signal.SIGKILL)


def install() -> None:
    """Wait for the module to be loaded, in a process that was told of marks."""
    if MARKS in os.environ:
        sys.meta_path.insert(0, Wrapper())


def environment(folder: Path, marks: Sequence[str], python_path: str) -> Mapping[str, str]:
    """Return the variables of processes in which `marks` are deadly; `folder` is theirs."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"from {__name__} import install\n\ninstall()\n")
    path = f"{folder}{os.pathsep}{python_path}"
    return {MARKS: ",".join(marks), NOTES: str(folder / "notes"), "PYTHONPATH": path}


def deaths(folder: Path) -> list[tuple[int, str]]:
    """Return the process ids of those that died, in order, and of which mark each did."""
    notes = folder / "notes"
    lines = notes.read_text().splitlines() if notes.exists() else []
    return [(int(process), mark) for process, mark in (line.split(" ", 1) for line in lines)]
