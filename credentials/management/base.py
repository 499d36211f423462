"""The base of every command: exit codes, one-line errors, `--as` and `--json`.

Exit codes: 0 all well, 1 the work failed, 2 bad arguments. A command that does not end well raises SystemExit with
its code, from the command line and from `call_command` alike.
"""

import argparse
import io
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from credentials.checks import CONFIGURATION
from credentials.models import User
from credentials.selectors import acting_user
from workers.errors import InvalidInput

from .colours import RED, YELLOW, Coloured, is_utf8, painted, wants_colour
from .failures import EXIT_BAD_ARGUMENTS, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, expected_errors, failure_of
from .output import one_line, printable, quiet_logs, table, to_json

__all__ = ["EXIT_BAD_ARGUMENTS", "EXIT_FAILED", "EXIT_INTERRUPTED", "EXIT_OK", "ArboretumCommand", "PlainCommand"]

Options = dict[str, Any]
Handler = Callable[[User, Options], int]


class PlainCommand(BaseCommand):
    """A command without subcommands: write `run`, and `add_arguments` (calling super) where it takes any."""

    # Django's own options work, but would bury ours in every line of help.
    suppressed_base_arguments = {
        "--version",
        "--verbosity",
        "--settings",
        "--pythonpath",
        "--traceback",
        "--no-color",
        "--force-color",
    }
    # Every check would import every page; `manage.py check` runs them all.
    requires_system_checks = [CONFIGURATION]
    # Makes the parser exit with 2 under call_command too, in place of a CommandError with 1.
    _called_from_command_line = True
    _as_json = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments of every command."""
        _add_json(parser)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command with our rule for colours in place of Django's, which looks at standard output alone."""
        for stream in (sys.stdout, sys.stderr):
            # Where a terminal or pipe takes no UTF-8 a sign becomes an escape, in place of a traceback.
            if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
                stream.reconfigure(errors="backslashreplace")
        return super().execute(*args, **{**options, "no_color": True, "force_color": False})

    def run(self, options: Options) -> int:
        """Do the work and return the exit code."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command; every expected error becomes one line on standard error and an exit code."""
        self._as_json = options.get("json", False)
        with quiet_logs(options.get("verbosity", 1)):
            code = self._guarded(options)
        if code != EXIT_OK:
            raise SystemExit(code)

    def emit(self, data: Any, text: str = "") -> None:
        """Print `data` as JSON with `--json`, else `text` (nothing where it is empty), fit for a terminal.

        A `Coloured` text is printed as it is.
        """
        if self._as_json:
            self.stdout.write(to_json(data, ascii=not is_utf8(self.stdout)))
        elif text:
            self.stdout.write(text if isinstance(text, Coloured) else printable(text))

    def warn(self, text: str) -> None:
        """Print one line on standard error, in JSON mode too."""
        self.stderr.write(painted(one_line(text), YELLOW if wants_colour(self.stderr) else None))

    def table(
        self,
        headers: Sequence[str],
        rows: Iterable[Sequence[Any]],
        empty: str = "None.",
        colours: Mapping[str, Callable[[str], str | None]] | None = None,
    ) -> str:
        """Return `rows` as an aligned plain table, numbers to the right; `empty` where there are none.

        `colours` says for the header of a column what colour (see `colours.TONES`) a text in it has; they show where
        standard output wants colours. A text with colours goes to `emit` as it is, with nothing added.
        """
        return table(headers, rows, empty, colours if wants_colour(self.stdout) else None)

    def _guarded(self, options: Options) -> int:
        try:
            _refuse_broken_text(options)
            code = self.run(options)
            self.stdout.flush()
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED
        except BrokenPipeError:
            # The reader (`| head`) has gone; Python would complain again when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_FAILED
        except expected_errors() as error:
            failure = failure_of(error)
            if failure is None or options.get("traceback"):
                raise
            colour = RED if wants_colour(self.stderr) else None
            self.stderr.write(painted("error:", colour) + f" {one_line(failure.message)}")
            return failure.exit_code
        return code


class ArboretumCommand(PlainCommand):
    """A command with subcommands, which the subclass declares in `add_subcommands`."""

    _subparsers: Any

    def add_subcommands(self) -> None:
        """Declare the subcommands with `self.subcommand` and `self.subcommand_without_user`."""
        raise NotImplementedError

    def subcommand(self, name: str, handler: Handler, help: str) -> argparse.ArgumentParser:
        """Declare a subcommand with `--as` and `--json`; return its parser.

        `handler(user, options)` returns the exit code; `user` is who `--as` names, else the only superuser.
        """
        parser = self._add(name, partial(self._as_user, handler), help)
        parser.add_argument(
            "--as", dest="as_user", metavar="USER", help="Who acts (a user name); by default the only superuser."
        )
        return parser

    def subcommand_without_user(
        self, name: str, handler: Callable[[Options], int], help: str
    ) -> argparse.ArgumentParser:
        """Declare a subcommand that acts for nobody in particular; `handler(options)` returns the exit code."""
        return self._add(name, handler, help)

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        self._subparsers = parser.add_subparsers(dest="subcommand", metavar="COMMAND", required=True)
        self.add_subcommands()

    def run(self, options: Options) -> int:
        """Call the handler of the subcommand."""
        handler: Callable[[Options], int] = options["handler"]
        return handler(options)

    def _add(self, name: str, handler: Callable[[Options], int], help: str) -> argparse.ArgumentParser:
        # Abbreviated options would change their meaning when a longer one is added.
        parser: argparse.ArgumentParser = self._subparsers.add_parser(
            name, help=help, description=help, allow_abbrev=False
        )
        parser.set_defaults(handler=handler)
        _add_json(parser)
        return parser

    @staticmethod
    def _as_user(handler: Handler, options: Options) -> int:
        return handler(acting_user(options["as_user"]), options)


def _refuse_broken_text(options: Options) -> None:
    """Raise InvalidInput where an argument holds bytes that are no UTF-8; paths and commands may."""
    for name, value in options.items():
        for text in value if isinstance(value, list) else [value]:
            if name not in ("file", "then") and isinstance(text, str) and not _is_text(text):
                raise InvalidInput(f"{name.removesuffix('_user').replace('_', '-')}: {text!r} is not UTF-8.")


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="Print JSON.")
