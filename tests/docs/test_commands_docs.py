"""docs/commands.md tells every command, subcommand and option that argparse knows, and no other."""

import argparse
import re
import shlex
from collections.abc import Iterator

import pytest
from django.core.management import get_commands, load_command_class

from agents.messages import IGNORED_KEYS
from credentials.management.base import PlainCommand
from credentials.management.failures import EXIT_BAD_ARGUMENTS, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK
from workers.errors import ErrorCode

from .documents import blocks, sections, text_of

COMMANDS = (
    *("credentials", "models", "agents", "batches", "runs", "answers", "tokens", "webhooks"),
    *("demo", "up", "down", "doctor", "completion"),
)
TEXT = text_of("docs/commands.md")
SECTIONS = sections(TEXT)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
GENERAL = "What holds for all"
# Django's own; `up` and `down` show them in their help, as every command of Django's does.
DJANGO = PlainCommand.suppressed_base_arguments | {"--help"}
COMMON = {"--as", "--json", "--skip-checks"}


def parser_of(command: str) -> argparse.ArgumentParser:
    return load_command_class(get_commands()[command], command).create_parser("manage.py", command)


def own_parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield each command, `batches run` or `up`, with its parser."""
    for command in COMMANDS:
        parser = parser_of(command)
        nested = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if not nested:
            yield command, parser
        for action in nested:
            for name, child in action.choices.items():
                yield f"{command} {name}", child


PARSERS = dict(own_parsers())


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Return the long options that a parser shows."""
    shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    return {option for action in shown for option in action.option_strings if option.startswith("--")}


def test_every_app_command_is_documented_and_no_other() -> None:
    apps = {"agents", "batches", "credentials", "dashboard", "workers", "arboretum"}
    assert {name for name, app in get_commands().items() if app in apps} == set(COMMANDS)
    documented = {title for title in SECTIONS if title.split()[0] in COMMANDS}
    groups = {name for name in COMMANDS if name not in PARSERS}
    assert documented == set(PARSERS) | groups


@pytest.mark.parametrize("command", PARSERS)
def test_every_option_is_documented_and_no_unknown_one(command: str) -> None:
    known = options_of(PARSERS[command]) - DJANGO - COMMON
    section = SECTIONS[command]
    table = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    assert set(OPTION.findall(table)) == known
    mentioned = set(OPTION.findall(re.sub(r"```.*?```", "", section, flags=re.DOTALL)))
    assert mentioned <= known


@pytest.mark.parametrize("command", PARSERS)
def test_every_command_but_the_demo_has_an_example_that_its_parser_takes(command: str) -> None:
    shown = "\n".join(blocks(SECTIONS[command], "")).replace("\\\n", "")
    examples = [line.removeprefix("$ manage.py ") for line in shown.splitlines() if line.startswith("$ manage.py ")]
    assert examples or command == "demo"
    for example in examples:
        words = shlex.split(example)
        name, *arguments = words
        assert example.startswith(command)
        parser_of(name).parse_args(arguments)


def test_the_readme_shows_only_commands_that_the_parsers_take() -> None:
    shown = "\n".join(blocks(text_of("README.md"), "sh")).replace("\\\n", "")
    examples = re.findall(r"^python manage.py (.+)$", shown, re.MULTILINE)
    assert len(examples) >= 8
    for example in examples:
        name, *arguments = shlex.split(example)
        parser_of(name).parse_args(arguments)


@pytest.mark.parametrize("option", sorted(COMMON))
def test_the_common_options_are_told_with_their_exceptions(option: str) -> None:
    paragraph = next(part for part in SECTIONS[GENERAL].split("\n\n") if part.startswith(f"**`{option}"))
    without = {name for name, parser in PARSERS.items() if option not in options_of(parser)}
    if option == "--skip-checks":
        # The subcommand's parser does not show it; the command's does.
        without = {name for name in COMMANDS if option not in options_of(parser_of(name))}
    sentence = next((part for part in re.split(r"(?<=\.)\s", paragraph) if "not take" in part), "")
    assert {name for name in PARSERS if f"`{name}`" in sentence} == without


def test_the_exit_codes_are_told() -> None:
    assert (EXIT_OK, EXIT_FAILED, EXIT_BAD_ARGUMENTS, EXIT_INTERRUPTED) == (0, 1, 2, 130)
    paragraph = next(part for part in SECTIONS[GENERAL].split("\n\n") if part.startswith("**Exit codes.**"))
    assert re.findall(r"(?:^|[ \n])(\d+):", paragraph) == ["0", "1", "2", "130"]


def test_every_error_code_is_told_in_its_category() -> None:
    paragraph = next(part for part in SECTIONS["batches retry"].split("\n\n") if part.startswith("Codes:"))
    told = dict(zip(("transient", "permanent", "system"), paragraph.split(";"), strict=True))
    for code in ErrorCode:
        assert [name for name, part in told.items() if f"`{code}`" in part] == [str(code.category)], code


def choices_of(command: str, option: str) -> list[str]:
    (action,) = (action for action in PARSERS[command]._actions if option in action.option_strings)
    return [str(choice) for choice in action.choices or ()]


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("credentials add", "--environment"),
        ("agents update", "--state"),
        ("batches run", "--priority"),
        ("batches list", "--state"),
        ("batches retry", "--code"),
    ],
)
def test_every_choice_of_an_option_is_told(command: str, option: str) -> None:
    choices = choices_of(command, option)
    assert choices
    assert all(f"`{choice}`" in SECTIONS[command] for choice in choices)


def test_every_key_that_a_chat_body_may_hold_is_told() -> None:
    paragraph = next(part for part in SECTIONS["agents run"].split("\n\n") if part.startswith("A chat body"))
    told = set(re.findall(r"`(\w+)`", paragraph.partition("decides:")[2].partition(". ")[0]))
    assert told == IGNORED_KEYS
