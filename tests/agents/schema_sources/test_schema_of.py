"""Where a schema comes from: files, Pydantic models, and what is said about mistakes."""

import json
import sys
from itertools import pairwise

import pytest

from agents.llm.providers.openai.strictness import is_strict
from agents.schema_sources import schema_of
from agents.schemas import parse_output
from workers.errors import InvalidInput

from .models import Open, Ticket

HERE = "tests.agents.schema_sources"
PLAIN = {"type": "object", "properties": {"n": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("schema.json", json.dumps(PLAIN)),
        ("schema.yaml", "type: object\nproperties:\n  n: {type: integer}\n"),
        ("schema.YML", json.dumps(PLAIN)),
        ("schema", "\ufeff" + json.dumps(PLAIN)),
    ],
)
def test_a_file_holds_the_schema(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")

    assert schema_of(str(tmp_path / name)) == schema_of(tmp_path / name) == PLAIN


# Ten times ten times ten ... of one value.
ALIAS_BOMB = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in pairwise("abcdefgh")
)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("type: [", "is not YAML that can be read: line 1"),
        (ALIAS_BOMB, "more than 100,000 values"),
        ("a: !!python/object/apply:os.system [ls]", "is not YAML that can be read: line 1"),
        ("- type", "must be a JSON object"),
        ("type: object\n---\ntype: object", "holds 2 YAML documents; it must hold one"),
        ("type: strin", r"output_schema at \$\.type"),
        ("a: \x01", "is not YAML that can be read"),
        ("", "holds 0 YAML documents"),
    ],
)
def test_a_yaml_file_that_is_no_schema_is_told(tmp_path, content, told):
    (tmp_path / "schema.yaml").write_text(content)

    with pytest.raises(InvalidInput, match=told):
        schema_of(str(tmp_path / "schema.yaml"))


@pytest.mark.parametrize("source", [Ticket, f"{HERE}.models:Ticket"], ids=["class", "name"])
def test_a_pydantic_model_gives_a_schema_that_providers_enforce(source):
    schema = schema_of(source)

    assert is_strict(schema)
    assert set(schema["$defs"]) == {"Kind", "Customer"}
    assert schema["$defs"]["Customer"]["additionalProperties"] is False
    assert schema["properties"]["urgency"] | {"title": ""} == {
        "type": "integer",
        "minimum": 1,
        "maximum": 5,
        "title": "",
    }
    answer = {"kind": "bug", "urgency": 2, "customers": [{"name": "Jo", "order": None}], "mood": "bad"}
    assert Ticket.model_validate(parse_output(json.dumps(answer), schema)).kind == "bug"


def test_a_class_within_a_class_can_be_named():
    assert schema_of(f"{HERE}.models:Ticket.Inner")["required"] == ["done"]


def test_what_a_model_says_of_further_fields_stays():
    schema = schema_of(Open)

    assert schema["additionalProperties"] is True
    assert schema["properties"]["properties"]["additionalProperties"] == {"type": "integer"}
    assert schema["properties"]["default"]["default"] == {"properties": {"a": 1}}


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("no_such_package.models:Ticket", "There is no module no_such_package.models"),
        (f"{HERE}.nothing:Ticket", "There is no module"),
        (f"{HERE}.models:Nothing", "has no Nothing"),
        (f"{HERE}.models:Ticket.Nothing", "has no Ticket.Nothing"),
        (f"{HERE}.models:NOT_A_CLASS", "is no class"),
        (f"{HERE}.models:Kind", "is no Pydantic model"),
        (f"{HERE}.models:Unwritable", "has no JSON schema"),
        (f"{HERE}.broken_module:Ticket", "cannot be imported: RuntimeError: no luck"),
        (f"{HERE}.module_with_a_gap:Ticket", "needs a module that is not there: no_such_module_anywhere"),
        (dict, "is no Pydantic model"),
        ("", "none is named"),
    ],
)
def test_what_is_no_model_is_told(source, told):
    with pytest.raises(InvalidInput, match=told):
        schema_of(source)


def test_a_model_is_found_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "my_answers_here.py").write_text("import pydantic\nclass A(pydantic.BaseModel):\n    n: int\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)

    assert schema_of("my_answers_here:A")["required"] == ["n"]
    assert sys.path == before


def test_a_schema_itself_is_checked():
    assert schema_of(PLAIN) == PLAIN
    with pytest.raises(InvalidInput, match="must stay within the schema"):
        schema_of({"$ref": "http://169.254.169.254/"})


def test_a_missing_file_is_told_by_its_name():
    with pytest.raises(FileNotFoundError, match=r"nowhere\.json"):
        schema_of("nowhere.json")
