"""docs/estimates.md is true to the code: names, figures, commands."""

import re
import shlex

import pytest

from agents.llm import tokens
from batches.estimating import history, interval, sampling, strata
from batches.execution.pilots import pilot_reason
from tests.batches import test_pilots_with_workers as simulated

from .documents import DOTTED, blocks, one_line, resolve, text_of
from .test_commands_docs import parser_of

TEXT = text_of("docs/estimates.md")
ONE_LINE = one_line(TEXT)
COMMAND = ".venv/bin/python manage.py "


@pytest.mark.parametrize("name", sorted(set(DOTTED.findall(TEXT))))
def test_every_name_of_the_code_exists(name: str) -> None:
    resolve(name)


@pytest.mark.parametrize(
    ("phrase", "value"),
    [
        ("at {:g} bytes a token", tokens.BYTES_PER_TOKEN),
        ("and {:g} tokens a message", tokens.TOKENS_PER_MESSAGE),
        ("at least {:g} and up to", history.LEAST_ROWS),
        ("up to {:,} of the latest", history.MOST_ROWS),
        ("from {:g} to 1,000 and at most all", sampling.LEAST_PILOT),
        ("to {:,} and at most all", sampling.MOST_PILOT),
        ("up to {:g} of them", strata.MOST_STRATA),
        ("one for every {:g} rows of the pilot", strata.ROWS_A_STRATUM),
        ("where prompts become {:g} times longer at once", strata.WIDE_GAP),
        ("with {:g} times the skewness", interval.SKEW_FACTOR),
        ("with a {:.0%} interval", interval.CONFIDENCE),
        ("runs {:g} batches of", simulated.BATCHES),
        ("batches of {:g} rows with pilots of", simulated.ROWS),
        ("rows with pilots of {:g} through", simulated.PILOT),
    ],
)
def test_the_figures_are_those_of_the_code(phrase: str, value: float) -> None:
    assert phrase.format(value) in ONE_LINE


def test_the_reason_of_the_pause_is_told() -> None:
    assert f'"{pilot_reason(40)}"' in TEXT


def test_the_commands_are_those_of_the_parsers() -> None:
    lines = "".join(blocks(TEXT, "sh")).splitlines()
    assert len(lines) == len(re.findall(re.escape(COMMAND), TEXT)) > 5
    for line in lines:
        name, *arguments = shlex.split(line.removeprefix(COMMAND))
        parser_of(name).parse_args(arguments)
