"""The command blocks of documents, and a newcomer's checkout to run them in."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workers.processes import dies_with_parent

from .documents import ROOT

# A block that is not run says why, and these are the only reasons.
REASONS = frozenset({"needs Docker", "needs root", "runs forever", "another machine", "runs the whole suite"})
BLOCK_SECONDS = 90.0
_BLOCK = re.compile(r"^(?:<!-- (?P<kind>not run|test): (?P<said>.+?) -->\n+)?```sh\n(?P<body>.*?)^```$", re.M | re.S)
# What a checkout holds that a newcomer's does not, and what no command of a document needs.
_LEFT_OUT = shutil.ignore_patterns(
    # Coverage's files come and go while they are copied.
    ".venv", ".git", "var", "__pycache__", ".*_cache", ".hypothesis", ".coverage*", "*.sqlite3",
)  # fmt: skip
_PREPARE = """
import django; django.setup()
from django.core.management import call_command
from credentials.services import ensure_first_superuser
call_command("migrate", interactive=False, verbosity=0)
ensure_first_superuser()
"""


@dataclass(frozen=True, slots=True)
class Block:
    """One block of commands; `reason` says why it is not run, and is empty where it is.

    A comment before the block may say `<!-- not run: REASON -->`, or `<!-- test: ... -->` with a JSON object: `exit`
    is the exit code to expect, `provider` changes settings of the provider server before the block runs, and
    `openai_is` "PROVIDER_URL" has credentials of OpenAI made for the provider server in place of OpenAI's own.
    """

    body: str
    reason: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def script(self) -> str:
        """The block as it is run."""
        if self.options.get("openai_is") != "PROVIDER_URL":
            return self.body
        return self.body.replace("--provider openai", '--provider openai --base-url "$PROVIDER_URL"')


def command_blocks(text: str) -> list[Block]:
    """Return the ```sh blocks of a document in order."""
    return [_block(match["kind"], match["said"] or "", match["body"]) for match in _BLOCK.finditer(text)]


def _block(kind: str | None, said: str, body: str) -> Block:
    if kind == "not run":
        return Block(body, said)
    return Block(body, "", json.loads(said) if kind == "test" else {})


class Newcomer:
    """A fresh checkout with the installed libraries, and one shell in it: what a block exports, later ones have."""

    def __init__(self, folder: Path, provider_url: str) -> None:
        """Copy the repository into `folder`, whose path should be short for the sockets in it."""
        self.checkout = folder / "arboretum"
        shutil.copytree(ROOT, self.checkout, ignore=_LEFT_OUT)
        (self.checkout / ".venv").symlink_to(sys.prefix)
        self.data_dir = self.checkout / "var"
        self._state = folder / "state"
        self._environment = {
            **os.environ,
            "ARBORETUM_DATA_DIR": str(self.data_dir),
            "DATABASE_URL": "",
            "REDIS_URL": "",
            "PROVIDER_URL": provider_url,
            "PROVIDER_KEY": "sk-test-0000000000000000",
            "OPENAI_API_KEY": "sk-test-0000000000000000",
            "ANTHROPIC_API_KEY": "sk-ant-test-0000000000",
            "AZURE_OPENAI_API_KEY": "azure-test-0000000000",
            # The libraries are there already; make would install others where a lock has just been changed.
            "MAKEFLAGS": "-- RUNTIME=",
            "SHELL": "/bin/bash",
        }
        # Without bytecode each command would compile all that it imports, which is a third of its time.
        for name in ("NO_COLOR", "FORCE_COLOR", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE"):
            self._environment.pop(name, None)

    def prepare(self, made: Path) -> None:
        """Do what `make demo` and `make up` have done for who reads on: make the database and the superuser.

        It is done once, and kept in the folder `made` for others.
        """
        if made.is_dir():
            shutil.copytree(made, self.data_dir)
            return
        command = [str(self.checkout / ".venv/bin/python"), "-c", _PREPARE]
        subprocess.run(command, cwd=self.checkout, env=self._environment, check=True, capture_output=True)
        shutil.copytree(self.data_dir, made)

    def start(self, command: str, log: Path) -> "subprocess.Popen[bytes]":
        """Start a command that goes on while others run; what it says goes to the file `log`."""
        with log.open("wb") as said:
            return subprocess.Popen(
                shlex.split(command),
                cwd=self.checkout,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                preexec_fn=dies_with_parent(signal.SIGKILL),
            )

    def run(self, block: Block) -> subprocess.CompletedProcess[str]:
        """Run a block as it stands; its output is returned with the errors in it."""
        keep = f'trap \'code=$?; {{ export -p; echo "cd $(printf %q "$PWD")"; }} > {self._state}; exit $code\' EXIT'
        before = f"[ ! -e {self._state} ] || . {self._state}"
        return subprocess.run(
            ["bash", "--norc", "-euo", "pipefail", "-c", f"{before}\n{keep}\n{block.script}"],
            cwd=self.checkout,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BLOCK_SECONDS,
            check=False,
        )

    def exported(self) -> dict[str, str]:
        """Return the variables that the blocks so far have set."""
        done = self.run(Block("env -0\n"))
        pairs = (line.partition("=") for line in done.stdout.split("\0") if line)
        return {name: value for name, _, value in pairs if self._environment.get(name) != value}
