"""Output schemas: enforced by the API where it can, asked for elsewhere."""

import json
import time
from typing import Any

import jsonschema
import pytest

from agents.llm.client import LLMClient
from agents.llm.providers.anthropic.schema import enforceable
from tests.support.provider_server import FakeServer

from .calls import ask

TEXT = {"type": "string"}


def closed(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def test_closed_schema_is_enforced_as_it_is():
    schema = closed(label={"enum": ["a", "b"], "description": "Which."}, tags={"type": "array", "items": TEXT})
    assert enforceable(schema) == schema


@pytest.mark.parametrize(
    ("schema", "enforced"),
    [
        ({"type": "object", "properties": {"a": TEXT}}, {**closed(a=TEXT), "required": []}),
        (
            closed(a={"type": "integer", "minimum": 1, "description": "How many."}),
            closed(a={"type": "integer", "description": 'How many.\n\n{"minimum":1}'}),
        ),
        (closed(a={"type": "string", "format": "date"}), closed(a={"type": "string", "format": "date"})),
        (
            closed(a={"type": "string", "format": "regex"}),
            closed(a={"type": "string", "description": '{"format":"regex"}'}),
        ),
        (closed(a={"type": ["string", "null"]}), closed(a={"anyOf": [TEXT, {"type": "null"}]})),
        (closed(a={"oneOf": [TEXT, {"const": 1}]}), closed(a={"anyOf": [TEXT, {"const": 1}]})),
        (closed(a={"type": "string", "enum": ["x"]}), closed(a={"enum": ["x"]})),
        (
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$ref": "#/$defs/A",
                "$defs": {"A": closed(b=TEXT)},
            },
            closed(b=TEXT),
        ),
        (
            closed(a={"type": "array", "items": TEXT, "minItems": 1, "maxItems": 3}),
            closed(a={"type": "array", "items": TEXT, "minItems": 1, "description": '{"maxItems":3}'}),
        ),
    ],
)
def test_what_cannot_be_enforced_is_described(schema: dict[str, Any], enforced: dict[str, Any]):
    assert enforceable(schema) == enforced


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "properties": {"a": TEXT}, "additionalProperties": True},
        {"type": "object", "properties": {"a": TEXT}, "additionalProperties": TEXT},
        {"type": "object", "properties": {"a": TEXT}, "required": ["b"]},
        closed(a={}),
        closed(a=True),
        closed(a={"type": "array"}),
        closed(a={"$ref": "#/$defs/missing"}),
        closed(a={"$ref": "https://host/schema.json"}),
        closed(a={"anyOf": []}),
        {"$defs": {"A": closed(a={"$ref": "#/$defs/A"})}, "$ref": "#/$defs/A"},
        {"type": "object", "properties": {f"f{number}": TEXT for number in range(25)}},
        closed(**{f"f{number}": {"type": ["string", "null"]} for number in range(17)}),
    ],
)
def test_what_the_api_cannot_say_is_left_to_instructions(schema: dict[str, Any]):
    assert enforceable(schema) is None


def test_answers_to_the_enforced_schema_fit_the_whole_or_differ_in_what_was_described():
    schema = closed(a={"type": "integer", "minimum": 1}, b={"type": ["string", "null"]})
    enforced = enforceable(schema)
    assert enforced is not None
    jsonschema.validate({"a": 2, "b": None}, enforced)
    jsonschema.validate({"a": 0, "b": "x"}, enforced)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"a": 2}, enforced)


async def test_model_that_can_is_given_the_schema(server: FakeServer, anthropic_client: LLMClient):
    schema = closed(count={"type": "integer", "minimum": 1})
    # The server refuses keywords that the API does not take.
    await anthropic_client.complete(
        ask(model="claude-opus-5-5", output_schema=schema, parameters={"reasoning_effort": "low"})
    )
    assert server.last_body["output_config"]["effort"] == "low"
    assert server.last_body["output_config"]["format"]["schema"]["additionalProperties"] is False
    assert "system" not in server.last_body


@pytest.mark.parametrize(
    ("model", "schema"),
    [("claude-sonnet-4", closed(a=TEXT)), ("another", closed(a=TEXT)), ("claude-opus-5-5", {"type": "object"})],
)
async def test_others_are_asked_for_it(
    server: FakeServer, anthropic_client: LLMClient, model: str, schema: dict[str, Any]
):
    await anthropic_client.complete(ask(model=model, output_schema=schema))
    assert "output_config" not in server.last_body
    assert json.dumps(schema, separators=(",", ":")) in server.last_body["system"]


def test_references_that_multiply_are_not_written_out():
    doubled = {
        f"d{place}": closed(a={"$ref": f"#/$defs/d{place + 1}"}, b={"$ref": f"#/$defs/d{place + 1}"})
        for place in range(20)
    }
    started = time.process_time()
    assert enforceable({**closed(a={"$ref": "#/$defs/d0"}), "$defs": {**doubled, "d20": TEXT}}) is None
    assert time.process_time() - started < 1


def test_definitions_that_are_none_are_no_error():
    assert enforceable({**closed(a={"$ref": "#/$defs/a"}), "$defs": 3}) is None
