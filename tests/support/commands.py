"""Run a management command in this process and keep what it said."""

import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any
from unittest import mock

from django.core.management import BaseCommand, call_command


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The JSON that it printed."""
        return json.loads(self.out)


def run_command(command: str | BaseCommand, *arguments: str, stdin: str = "") -> CommandResult:
    """Run `command` with `arguments` as a shell would give them."""
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    with (
        mock.patch("sys.stdin", io.StringIO(stdin)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            call_command(command, *arguments, stdout=out, stderr=err)
        except SystemExit as end:
            code = end.code
    return CommandResult(int(code or 0), out.getvalue(), err.getvalue())
