"""Documents whose blocks are typed from the first to the last, commands and Python, and say what is told of them."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .command_blocks import BLOCK_SECONDS, Block, Newcomer
from .examples import Example

TYPED = ("sh", "python")
_BLOCK = re.compile(r"(?:^<!-- test: (?P<said>\{.+?\}) -->\n+)?^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.M | re.S)
# One process for all blocks of a document, so that later ones know the names of earlier ones. A block is a line of
# JSON, and so is what it printed.
_PYTHON = f"""
import contextlib, io, json, signal, sys, traceback
names = {{"__name__": "__main__"}}
def too_long(*args):
    raise TimeoutError("the block took too long")
signal.signal(signal.SIGALRM, too_long)
for line in sys.stdin:
    said, worked = io.StringIO(), True
    with contextlib.redirect_stdout(said):
        signal.alarm({BLOCK_SECONDS:.0f})
        try:
            exec(compile(json.loads(line), "<block>", "exec"), names)
        except BaseException:
            worked = False
            traceback.print_exc(file=said)
    print(json.dumps([worked, said.getvalue()]), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Step:
    """A block to type, and what is told to come of it; None where nothing is told.

    The comment `<!-- test: {"provider": {...}} -->` before a block changes settings of the provider server for it.
    """

    language: str
    body: str
    told: tuple[str, ...] | None = None
    provider: dict[str, Any] = field(default_factory=dict)

    def differences(self, worked: bool, said: str) -> list[str]:
        """Return what is other than told; ids, times and numbers are all alike."""
        if not worked:
            return ["it failed:", *said.splitlines()]
        return [] if self.told is None else Example(self.body, self.told).differences(said)


def steps(text: str) -> list[Step]:
    """Return the blocks of a document that are typed. An unnamed block that follows one is what it says."""
    found: list[Step] = []
    end = 0
    for match in _BLOCK.finditer(text):
        language, body = match["language"], match["body"]
        if language in TYPED:
            options = json.loads(match["said"] or "{}")
            found.append(Step(language, body, None, options.get("provider", {})))
        elif not language and found and not text[end : match.start()].strip():
            last = found.pop()
            found.append(Step(last.language, last.body, tuple(body.splitlines()), last.provider))
        end = match.end()
    return found


class Session:
    """One who types the blocks of a document in a newcomer's checkout; `address` stands for localhost:8000."""

    def __init__(self, newcomer: Newcomer, python: "subprocess.Popen[str]", address: str) -> None:
        """Type commands in the newcomer's shell, and Python in `python`."""
        self._newcomer = newcomer
        self._python = python
        self._address = address

    def type(self, step: Step) -> tuple[bool, str]:
        """Return whether a block worked, and what it said."""
        body = step.body.replace("localhost:8000", self._address)
        if step.language == "sh":
            done = self._newcomer.run(Block(body, options={"openai_is": "PROVIDER_URL"}))
            return done.returncode == 0, done.stdout
        assert self._python.stdin is not None
        assert self._python.stdout is not None
        exports = self._newcomer.exported()
        head = f"import os; os.environ.update({exports!r})\n"
        self._python.stdin.write(json.dumps(head + body) + "\n")
        self._python.stdin.flush()
        worked, said = json.loads(self._python.stdout.readline())
        return worked, said


@contextmanager
def session(newcomer: Newcomer, address: str) -> Iterator[Session]:
    """Have a session, whose Python ends with it."""
    command = [str(newcomer.checkout / ".venv/bin/python"), "-c", _PYTHON]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=newcomer.checkout, stdin=pipe, stdout=pipe, text=True) as python:
        yield Session(newcomer, python, address)
        assert python.stdin is not None
        python.stdin.close()
