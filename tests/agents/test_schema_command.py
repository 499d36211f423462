"""`manage.py agents schema`, and the sources that --schema takes."""

import json

import pytest

from agents.models import AgentVersion
from tests.support.commands import run_command
from tests.support.factories import make_agent, make_superuser

MODEL = "tests.agents.schema_sources.models:Customer"


@pytest.fixture
def answers(tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text('{"name": "Jo", "order": null}\n{"name": 1, "order": null}\n{"name": "Al", "order": "A-1"}\n')
    return path


def test_schema_prints_what_a_source_gives():
    result = run_command("agents", "schema", MODEL)

    assert result.code == 0
    assert result.data == run_command("agents", "schema", MODEL, "--json").data
    assert (result.data["required"], result.data["additionalProperties"]) == (["name", "order"], False)


def test_check_tells_which_answers_fit(answers):
    result = run_command("agents", "schema", MODEL, "--check", str(answers))

    assert result.code == 1
    header, line, _, count = result.out.splitlines()
    assert header.split() == ["ROW", "PROBLEM"]
    assert line.split() == ["2", "$.name:", "1", "is", "not", "of", "type", "'string'"]
    assert count == "2 of 3 answers fit."
    data = run_command("agents", "schema", MODEL, "--check", str(answers), "--json").data
    assert (data["answers"], data["fit"], data["misfits"][0]["row"]) == (3, 2, 2)


def test_check_ends_with_0_where_all_fit(answers):
    result = run_command("agents", "schema", f"examples:{answers}", "--check", str(answers))

    assert (result.code, result.out) == (0, "3 of 3 answers fit.\n")


def test_a_column_without_answers_is_told(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"output": "x", "parsed": null}\n')

    result = run_command("agents", "schema", MODEL, "--check", f"{tmp_path}/a.jsonl#parsed")

    assert (result.code, result.out) == (1, "0 of 0 answers fit.\n")
    assert "holds no answers" in result.err


def test_what_a_misfit_says_cannot_drive_the_terminal(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"name": "\x1b[31m" * 60, "order": 1}) + "\n" + '"\x9b2J"\n' * 60)

    result = run_command("agents", "schema", MODEL, "--check", f"{tmp_path}/a.jsonl")

    assert result.code == 1
    assert not {"\x1b", "\x9b"} & set(result.out)
    assert "... and 11 more" in result.out


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("nowhere.json", "nowhere.json: No such file"),
        ("nowhere:Model", "There is no module nowhere"),
        ("examples:nowhere.jsonl", "nowhere.jsonl: No such file"),
    ],
)
def test_a_source_that_gives_nothing_ends_with_2(source, told):
    result = run_command("agents", "schema", source)

    assert (result.code, result.out) == (2, "")
    assert told in result.err


@pytest.mark.django_db
def test_an_agent_takes_its_schema_from_any_source(answers):
    make_agent(make_superuser(), slug="triage")
    wanted = {MODEL: "Customer", f"examples:{answers}": None}

    for source, title in wanted.items():
        result = run_command("agents", "update", "triage", "--schema", source)
        assert result.code == 0, result.err
        schema = AgentVersion.objects.latest("id").output_schema
        assert (schema.get("title"), schema["additionalProperties"]) == (title, False)
