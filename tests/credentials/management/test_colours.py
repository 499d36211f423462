"""Colours where somebody sees them; text that any terminal takes."""

import io
import json
import os
import subprocess
import sys

import pytest

from credentials.management.colours import is_utf8, painted, wants_colour
from tests.conftest import ROOT
from tests.support.factories import make_agent, make_superuser


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "on_terminal", "in_pipe"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": ""}, True, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_who_gets_colours(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], on_terminal: bool, in_pipe: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (wants_colour(Screen()), wants_colour(io.StringIO())) == (on_terminal, in_pipe)


def test_a_text_without_a_colour_stays_as_it_is() -> None:
    assert (painted("x", None), painted("", "31"), painted("x", "31")) == ("x", "", "\x1b[31mx\x1b[0m")


def test_what_takes_any_character() -> None:
    assert is_utf8(io.StringIO())
    assert is_utf8(io.TextIOWrapper(io.BytesIO(), encoding="UTF-8"))
    assert not is_utf8(io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))


@pytest.mark.django_db(transaction=True)
def test_a_pipe_without_utf8_gets_escapes_and_json_that_is_right(worker_env: dict[str, str]) -> None:
    make_agent(make_superuser(), slug="triage", name="日本 ✓ 😀")
    environment = {**worker_env, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "manage.py", "agents", "list"]
    plain = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (plain.returncode, plain.stderr) == (0, "")
    assert "\\u65e5\\u672c" in plain.stdout
    shown = subprocess.run([*command, "--json"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert json.loads(shown.stdout)[0]["name"] == "日本 ✓ 😀"
    assert os.environ.get("PYTHONIOENCODING") is None
