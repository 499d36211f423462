import time

import pytest

from agents.schemas import check_schema, compiled_schema, parse_output
from workers.errors import ErrorCode, InvalidInput, WorkError

TICKET = {
    "type": "object",
    "properties": {
        "category": {"enum": ["billing", "bug"]},
        "urgency": {"type": "integer", "minimum": 1, "maximum": 5},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
    },
    "required": ["category"],
    "additionalProperties": False,
    "$defs": {"tag": {"type": "string", "pattern": "^[a-z]+$"}},
}
# Each definition asks for the one before it twice: 2^30 checks if followed to the end.
DOUBLING = {
    "$defs": {
        "d0": {"type": "integer"},
        **{f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n - 1}"}] * 2} for n in range(1, 31)},
    },
    "$ref": "#/$defs/d30",
}


@pytest.mark.parametrize(
    "text",
    [
        '{"category": "bug", "urgency": 3}',
        '  {"category": "bug", "urgency": 3}\n',
        '```json\n{"category": "bug", "urgency": 3}\n```',
        '```\n{"category": "bug", "urgency": 3}```',
        'As [1] says:\n```json\n{"category": "bug", "urgency": 3}\n```\nAsk if in doubt.',
        '<think>{"category": "billing"}?</think>\n{"category": "bug", "urgency": 3} is my answer.',
    ],
)
def test_an_answer_is_read_whatever_stands_around_it(text):
    assert parse_output(text, TICKET) == {"category": "bug", "urgency": 3}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"category": "spam"}', r"at \$\.category: 'spam' is not one of"),
        ('{"category": "bug", "urgency": 9}', r"at \$\.urgency: 9 is greater than"),
        ('{"category": "bug", "tags": ["ok", "N0"]}', r"at \$\.tags\[1\]: 'N0' does not match"),
        ("{}", r"at \$: 'category' is a required property"),
        ('{"category": "bug", "more": 1}', "'more' was unexpected"),
        ("", "not JSON: line 1, column 1"),
        ("The category is bug.", "not JSON"),
        ('{"category":\n "bug"', "not JSON: line 2"),
        ('Here it is: {"category": "bug",}', "not JSON"),
    ],
)
def test_an_answer_that_does_not_fit_names_the_place(text, told):
    with pytest.raises(WorkError, match=told) as error:
        parse_output(text, TICKET)

    assert error.value.code is ErrorCode.SCHEMA_MISMATCH
    assert not error.value.is_transient


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 100_000, "nested deeper"),
        ("[" * 200 + "]" * 200, "nested deeper"),
        ("NaN", "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity is not"),
        ("1e400", "not a finite number"),
        ("9" * 5000, "not JSON"),
        ("9" * 30, "more than 64 bits"),
        ('{"a": {"b": ["x", "\\u0000"]}}', r"\$\.a\.b\[1\]: holds a NUL"),
        ('{"\\u0000": 1}', "a name holds a NUL"),
        ('"\\ud800"', "half a surrogate"),
    ],
)
def test_hostile_answers_get_a_clear_error(text, told):
    with pytest.raises(WorkError, match=told) as error:
        parse_output(text, {})

    assert error.value.code is ErrorCode.SCHEMA_MISMATCH


def test_a_long_mismatch_is_told_briefly():
    with pytest.raises(WorkError) as error:
        parse_output(f'{{"category": "{"x" * 100_000}"}}', TICKET)

    assert len(error.value.message) < 500


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("1", DOUBLING),
        ("1", {"$ref": "#"}),
        ('{"a": "%sb"}' % ("a" * 5000), {"properties": {"a": {"pattern": "(a+)+$"}}}),
        (f"[{','.join(['{}', '1'] * 20_000)}]", {"uniqueItems": True}),
        ("1", {"$ref": "http://127.0.0.1:9/schema"}),
        ("1e308", {"multipleOf": 1e-308}),
        ("1", {"$schema": "http://example.com/mine"}),
        ("1", {"$id": "http://[", "$ref": "#/x"}),
        ("1", {"$ref": "#/$defs/x", "$defs": {"x": {"$ref": "http://[/"}}}),
        ("{}", {"patternProperties": {"(a+)+$": {}}}),
        ('"a"', {"pattern": "(?=a)"}),
    ],
)
def test_hostile_schemas_stop_soon(text, schema):
    started = time.perf_counter()

    with pytest.raises(WorkError):
        parse_output(text, schema)
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize("items", [[1, 1.0], ["a", "a"], [{"b": 1, "c": 2}, {"c": 2, "b": 1.0}], [[1], [1]]])
def test_equal_items_are_found(items):
    assert "equal items" in (compiled_schema({"uniqueItems": True}).problem(items) or "")


@pytest.mark.parametrize("items", [[1, True], ["1", 1], [0, False], [[], {}], [None, "null"]])
def test_items_of_different_types_differ(items):
    assert compiled_schema({"uniqueItems": True}).problem(items) is None


@pytest.mark.parametrize(
    "schema",
    [
        {},
        TICKET,
        DOUBLING,
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"x": {}}, "$ref": "#/definitions/x"},
        {"$id": "https://example.com/s.json", "$ref": "#/$defs/x", "$defs": {"x": {"$anchor": "there"}}},
        {"properties": {"const": {"const": {"pattern": "(?=a)"}}}},
    ],
)
def test_schemas_that_may_be_used(schema):
    check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ([], "must be a JSON object"),
        ("{}", "must be a JSON object"),
        ({"type": "strin"}, r"at \$\.type"),
        ({"required": "a"}, r"at \$\.required"),
        ({"properties": {"a": {"$ref": "http://169.254.169.254/"}}}, "must stay within the schema"),
        ({"$ref": "file:///etc/passwd"}, "must stay within the schema"),
        ({"$ref": "#/$defs/x"}, "points nowhere"),
        ({"pattern": "(?=a)"}, "look-around"),
        ({"pattern": "["}, "regex"),
        ({"items": [{"patternProperties": {}}], "$schema": "http://json-schema.org/draft-07/schema#"}, "not supported"),
        ({"$dynamicRef": "#x"}, "not supported"),
        ({"$schema": "http://example.com/mine"}, "no JSON schema draft"),
        ({"$schema": 5}, "no JSON schema draft"),
        ({"default": float("nan")}, "not a finite number"),
        ({"title": "a\x00"}, "NUL"),
        ({"title": "a" * 300_000}, "at most 262144"),
        ({1: 2}, "not text"),
        ({"title": object()}, "not JSON"),
    ],
)
def test_schemas_that_may_not_be_used(schema, told):
    with pytest.raises(InvalidInput, match=told) as error:
        check_schema(schema)

    assert str(error.value).startswith("output_schema")


def test_a_schema_nested_too_deeply_is_refused():
    schema: dict = {}
    for _ in range(150):
        schema = {"not": schema}

    with pytest.raises(InvalidInput, match="nested deeper than 100"):
        check_schema(schema)


def test_a_schema_is_compiled_once():
    assert compiled_schema({"type": "object"}) is compiled_schema({"type": "object"})
