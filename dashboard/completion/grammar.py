"""What may stand where on the command line, read from the parsers of all our commands."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.core.management import get_commands, load_command_class

APPS = frozenset({"workers", "credentials", "agents", "batches", "dashboard"})
# What a value is, beside a list of words: one of those that `values` knows, a file, or anything.
FILES, ANYTHING = "files", "anything"


@dataclass(frozen=True, slots=True)
class Value:
    """What a value may be: one of `words`, or of a `kind`."""

    kind: str = ANYTHING
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A command, or a command with its subcommand: its options (None: takes no value) and positional values."""

    words: str
    help: str
    options: dict[str, Value | None]
    positionals: tuple[Value, ...]
    subcommands: tuple[str, ...] = ()


def lines() -> list[Line]:
    """Return every command and subcommand of ours, by name."""
    return [line for name, app in sorted(get_commands().items()) if app in APPS for line in _lines(name)]


def _lines(command: str) -> Iterator[Line]:
    parser = load_command_class(get_commands()[command], command).create_parser("manage.py", command)
    nested = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    subparsers = {name: child for action in nested for name, child in action.choices.items()}
    yield _line(command, parser, tuple(subparsers))
    for name, child in subparsers.items():
        yield _line(f"{command} {name}", child)


def _line(words: str, parser: argparse.ArgumentParser, subcommands: tuple[str, ...] = ()) -> Line:
    shown = [
        action
        for action in parser._actions
        if action.help != argparse.SUPPRESS and not isinstance(action, argparse._SubParsersAction)
    ]
    options = {
        name: None if action.nargs == 0 else _value(words, action)
        for action in shown
        for name in action.option_strings
        if name.startswith("--")
    }
    positionals = [_value(words, action) for action in shown if not action.option_strings]
    # The last may come again and again.
    more = [positionals[-1]] * 8 if positionals and shown[-1].nargs in ("*", "+") else []
    return Line(words, (parser.description or "").split("\n")[0], options, (*positionals, *more), subcommands)


def _value(words: str, action: argparse.Action) -> Value:
    if action.choices is not None:
        return Value(words=tuple(str(choice) for choice in action.choices))
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    return Value(_kind(words.split(), action, metavar))


def _kind(words: list[str], action: argparse.Action, metavar: str) -> str:
    if action.type is Path or "FILE" in metavar:
        return FILES
    if metavar.startswith("SLUG") and words != ["agents", "create"]:
        return "agents"
    names_one = words[0] == "credentials" and metavar == "NAME" and not action.option_strings and words[1:] != ["add"]
    if metavar == "CREDENTIAL" or "--credential" in action.option_strings or names_one:
        return "credentials"
    if metavar == "USER":
        return "users"
    if metavar.startswith("ID"):
        return "runs" if words[0] == "runs" else "batches"
    return ANYTHING
