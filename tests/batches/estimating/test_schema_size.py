"""How long an answer in a schema is taken to be."""

import orjson
import pytest

from batches.estimating.schema_size import answer_characters


def test_an_answer_of_constants_is_as_long_as_it_is_written() -> None:
    answer = {"urgent": True, "topic": "delivery", "count": 12}
    schema = {"type": "object", "properties": {name: {"const": value} for name, value in answer.items()}}
    assert answer_characters(schema) == pytest.approx(len(orjson.dumps(answer)), abs=2)


def test_the_options_of_an_enum_count_by_their_mean() -> None:
    assert answer_characters({"enum": ["a", "abc"]}) == 4


def test_bounds_of_texts_and_arrays_are_kept() -> None:
    usual = answer_characters({"type": "string"})
    assert answer_characters({"type": "string", "maxLength": 5}) == 7 < usual
    assert answer_characters({"type": "string", "minLength": 400}) == 402
    few, many = ({"type": "array", "items": {"enum": [1]}, "minItems": n, "maxItems": n} for n in (2, 50))
    assert (answer_characters(few), answer_characters(many)) == (2 + 2 * 2, 2 + 50 * 2)


def test_references_are_followed_and_a_schema_that_holds_itself_ends() -> None:
    tree = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
    schema = {"$ref": "#/$defs/node", "$defs": {"node": tree}}
    assert 10 < answer_characters(schema) < 300
    assert answer_characters({"$ref": "#/$defs/x", "$defs": {"x": {"const": "abc"}}}) == 5


@pytest.mark.parametrize(
    "schema",
    [{}, {"type": []}, {"type": {"a": 1}}, {"anyOf": []}, {"$ref": "#/nowhere"}, {"enum": 3}, {"properties": 7}],
)
def test_whatever_a_schema_is_it_has_a_size(schema: dict[str, object]) -> None:
    assert answer_characters(schema) >= 2


def test_a_choice_of_schemas_counts_by_their_mean() -> None:
    assert answer_characters({"anyOf": [{"const": "ab"}, {"const": "abcd"}]}) == 5
