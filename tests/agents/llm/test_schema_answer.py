"""JSON that the simulated provider writes for a schema."""

import json
from typing import Any

import jsonschema
import pytest

from agents.llm.providers.simulated.schema_answer import broken_answer, write_answer
from workers.errors import ErrorCode, WorkError

TICKET = "My invoice was charged twice, please refund the second payment. I was billed on Monday!"
NESTED = {
    "type": "object",
    "properties": {
        "label": {"type": "string", "enum": ["billing", "technical", "other"]},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "stars": {"type": "integer", "minimum": 1, "maximum": 5},
        "urgent": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 10}, "minItems": 2, "maxItems": 3},
        "person": {
            "type": "object",
            "properties": {"name": {"type": "string", "minLength": 3}, "mail": {"type": "string", "format": "email"}},
            "required": ["name", "mail"],
        },
        "nothing": {"type": "null"},
    },
    "required": ["label", "score", "stars", "urgent", "tags", "person"],
    "additionalProperties": False,
}


def answer(schema: Any, message: str = TICKET, keywords: Any = None, seed: int = 0) -> Any:
    return json.loads(write_answer(schema, message, keywords or {}, seed))


@pytest.mark.parametrize(
    "schema",
    [
        NESTED,
        {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
        {"type": "number", "minimum": 2.5, "maximum": 2.5},
        {"type": "integer", "maximum": -10},
        {"type": "integer", "multipleOf": 7, "minimum": 10, "maximum": 20},
        {"type": ["null", "string"]},
        {"type": "string", "minLength": 200, "maxLength": 210},
        {"type": "string", "maxLength": 0},
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        {"const": {"a": [1]}},
        {"enum": [1, 2, None]},
        {"properties": {"a": {}}, "required": ["a", "b"]},
        {"type": "array", "items": NESTED, "minItems": 1},
        {},
        True,
    ],
)
def test_answer_satisfies_the_schema(schema: Any):
    for seed in range(20):
        jsonschema.validate(answer(schema, seed=seed), schema)


@pytest.mark.parametrize("message", ["", " ", "\x00\ud7ff", "漢字" * 1000])
def test_odd_messages_are_answered(message: str):
    jsonschema.validate(answer(NESTED, message), NESTED)


@pytest.mark.parametrize(
    ("message", "keywords", "label"),
    [
        ("There is a billing error", {}, "billing"),
        ("TECHNICAL, not billing; technical!", {}, "technical"),
        ("I was charged for an invoice", {"billing": ["invoice", "charge"]}, "billing"),
        ("I was charged twice and it crashes", {"billing": ["charged twice"], "technical": ["bug"]}, "billing"),
        ("It crashes with errors", {"technical": ["crash", "error"]}, "technical"),
    ],
)
def test_enum_goes_by_the_words_of_the_message(message: str, keywords: dict[str, list[str]], label: str):
    schema = {"enum": ["billing", "technical", "other"]}
    assert {answer(schema, message, keywords, seed) for seed in range(10)} == {label}


def test_option_of_several_words_counts_each():
    assert answer({"enum": ["account_access", "delivery"]}, "no access to my account") == "account_access"


def test_enum_without_a_hint_is_seeded():
    labels = [answer({"enum": ["a1", "b2", "c3"]}, "nothing fits", seed=seed) for seed in range(30)]
    assert set(labels) == {"a1", "b2", "c3"}
    assert labels == [answer({"enum": ["a1", "b2", "c3"]}, "nothing fits", seed=seed) for seed in range(30)]


def test_texts_are_extracts_of_the_message():
    assert TICKET.startswith(answer({"type": "string", "maxLength": 30}))


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"$ref": "http://169.254.169.254/"}, "a $ref"),
        ({"type": "array", "minItems": 10**9}, "too many values"),
        ({"type": "array", "items": {"type": "array", "minItems": 200}, "minItems": 200}, "too many values"),
        ({"type": "string", "minLength": 10**9}, "too long"),
        ({"type": "integer", "multipleOf": 0}, "not a valid JSON schema"),
        ({"type": "object", "properties": ["a"]}, "not a valid JSON schema"),
        ({"enum": [10**30]}, "not a valid JSON schema"),
    ],
)
def test_schema_that_cannot_be_answered_is_refused(schema: Any, message: str):
    with pytest.raises(WorkError, match=message.replace("$", r"\$")) as caught:
        answer(schema)
    assert caught.value.code is ErrorCode.INVALID_REQUEST


def test_schema_of_a_thousand_levels_is_refused():
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(1000):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    with pytest.raises(WorkError, match="too deep"):
        answer(schema)


@pytest.mark.parametrize("schema", [NESTED, {"type": "array"}, {"type": "string"}, {"enum": ["a"]}])
def test_invalid_reply_breaks_the_schema(schema: dict[str, Any]):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken_answer(schema), schema)


def test_references_lead_to_the_definitions():
    schema = {
        "$defs": {"kind": {"enum": ["billing", "bug"]}, "pair": {"type": "array", "items": {"$ref": "#/$defs/kind"}}},
        "type": "object",
        "properties": {"kinds": {"$ref": "#/$defs/pair", "minItems": 2, "maxItems": 2}},
        "required": ["kinds"],
    }

    assert answer(schema, "a bug") == {"kinds": ["bug", "bug"]}


def test_a_definition_that_holds_itself_is_refused():
    schema = {"$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}, "minItems": 1}}, "$ref": "#/$defs/a"}

    with pytest.raises(WorkError, match="too deep"):
        answer(schema)
