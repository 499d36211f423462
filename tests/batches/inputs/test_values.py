"""JSON that goes into `Run.input_json`."""

import math

import pytest

from batches.inputs import canonical_json
from workers.errors import InvalidInput


def test_keys_keep_their_order_and_text_its_characters():
    assert canonical_json({"b": "é\n", "a": [1, None, {"z": 0.1, "y": True}]}) == (
        '{"b":"é\\n","a":[1,null,{"z":0.1,"y":true}]}'
    )


@pytest.mark.parametrize(
    "value",
    ["x\0y", {"a\0": 1}, "\ud800", math.nan, [math.inf], 2**64, -(2**63) - 1, {1}, b"bytes", {1: 2}],
    ids=repr,
)
def test_what_cannot_be_stored_is_refused(value):
    with pytest.raises(InvalidInput, match="The input"):
        canonical_json({"a": value})


def test_an_escaped_backslash_is_no_nul():
    assert canonical_json({"a": "\\u0000"}) == '{"a":"\\\\u0000"}'


def test_nesting_without_end_is_refused():
    value: list = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(InvalidInput):
        canonical_json({"a": value})
