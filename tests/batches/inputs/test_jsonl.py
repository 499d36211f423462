"""JSONL: what is read, and what is refused by line."""

import pytest

from batches.inputs import InputRow, open_input
from workers.errors import InvalidInput

from .files import entries, problems, write


def test_objects_become_rows_and_blank_lines_are_passed_over(tmp_path):
    rows = entries(tmp_path, "a.jsonl", b'\xef\xbb\xbf{"b": 1, "a": "x"}\r\n\n  \n{"c": null}')
    assert rows == [InputRow(1, None, {"b": 1, "a": "x"}), InputRow(4, None, {"c": None})]


def test_columns_are_the_keys_in_order_of_their_first_appearance(tmp_path):
    file = open_input(write(tmp_path, "a.jsonl", '{"b":1}\n{"a":1,"b":2}\n{"c":1}\n'))
    list(file.entries())
    assert file.columns == ("b", "a", "c")


def test_nested_values_and_type_markers_are_plain_data(tmp_path):
    value = {"a": {"__type__": "datetime", "__value__": "2020-01-01"}, "b": [1, [2.5, {"c": True}]]}
    (row,) = entries(
        tmp_path, "a.jsonl", '{"a":{"__type__":"datetime","__value__":"2020-01-01"},"b":[1,[2.5,{"c":true}]]}'
    )
    assert row.columns == value


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("[1, 2]", "is an array; each line must be an object"),
        ('"text"', "is a text; each line must be an object"),
        ("7", "is a number; each line must be an object"),
        ("true", "is true or false; each line must be an object"),
        ("null", "is null; each line must be an object"),
        ('{"a": 1', "is not valid JSON"),
        ('{"a": 1} {"b": 2}', "is not valid JSON: .* at character 10"),
        ("{'a': 1}", "is not valid JSON: .* at character 2"),
        ('{"a": NaN}', "is not valid JSON: .* at character 7"),
        ('{"a": Infinity}', "is not valid JSON"),
        ('{"a": 1e400}', "is not valid JSON"),
        ('{"a": 1, "a": 2}', "the key 'a' occurs twice"),
        ('{"a" \t : 1, "a": 2}', "the key 'a' occurs twice"),
        ('{"a": 1, "\\u0061": 2}', "the key 'a' occurs twice"),
        ('{"x": [{"a": 1, "a": 2}]}', "the key 'a' occurs twice"),
        ('{"a": 18446744073709551616}', "18446744073709551616 does not fit into 64 bits"),
        ('{"a": [-9223372036854775809]}', "does not fit into 64 bits"),
        (f'{{"a": {"9" * 5000}}}', "(does not fit into 64 bits|is not valid JSON)"),
        ('{"a": 0.12345678901234567891}', "more than 17 digits"),
        ('{"a": "x\\u0000y"}', "column 'a': holds a NUL"),
        ('{"a": 1, "b": {"c\\u0000": 1}}', "column 'b': holds a NUL"),
        ('{"a\\u0000": 1}', "holds a NUL"),
        ('{"a": "\\ud800"}', "half of a surrogate pair"),
        ('{"": 1}', "the name of a column is empty"),
        (f'{{"{"x" * 256}": 1}}', "the name of a column is longer than 255"),
        ('{"custom_id": 1.5}', "column 'custom_id': must be a text or a whole number"),
        ('{"custom_id": true}', "must be a text or a whole number"),
        ('{"custom_id": ["x"]}', "must be a text or a whole number"),
        (f'{{"custom_id": "{"x" * 256}"}}', "is longer than 255 characters"),
        ('{"a":' * 101 + "1" + "}" * 101, "nested deeper than 100 levels"),
        ("[" * 100_000, "is not valid JSON"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_kept(tmp_path, line, problem):
    content = f'{{"ok": 1}}\n{line}\n{{"ok": 3}}\n'
    found = problems(tmp_path, "a.jsonl", content)
    assert len(found) == 1
    assert found[0].startswith("line 2")
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(found[0])
    assert [row.line for row in open_input(tmp_path / "a.jsonl").rows()] == [1, 3]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('{"a": 18446744073709551615}', 18446744073709551615),
        ('{"a": -9223372036854775808}', -9223372036854775808),
        ('{"a": 0.10000000000000001}', 0.1),
        ('{"a": 1000000000000000000000.0}', 1e21),
        ('{"a": "123456789012345678901234567890"}', "123456789012345678901234567890"),
        ('{"a": ": \\": \\"a\\": :"}', ': ": "a": :'),
        ('{"a": "\\\\u0000"}', "\\u0000"),
        ('{"a": "\\ud83c\\udf33"}', "\N{DECIDUOUS TREE}"),
    ],
)
def test_values_near_the_limits_pass_unchanged(tmp_path, line, value):
    assert entries(tmp_path, "a.jsonl", line)[0].columns == {"a": value}


def test_a_hundred_levels_pass(tmp_path):
    assert not problems(tmp_path, "a.jsonl", '{"a":' * 100 + "1" + "}" * 100)


def test_another_encoding_is_named_by_line_and_byte(tmp_path):
    with pytest.raises(InvalidInput, match="line 2, byte 11: 0xE9 is not UTF-8"):
        entries(tmp_path, "a.jsonl", '{"a": "ok"}\n{"a": "caf\xe9"}\n'.encode("latin-1"))


def test_cells_and_rows_have_their_limits(tmp_path, settings):
    settings.ARBORETUM_MAX_CELL_BYTES = 20
    content = '{"a": "12345678901234567890", "b": 1}\n{"a": "1", "b": [11111111, 22222222, 3]}\n'
    assert problems(tmp_path, "a.jsonl", content) == [
        "line 2, column 'b': is larger than 20 bytes, the most that a cell may have"
    ]


def test_a_line_of_ten_megabytes_is_refused_and_the_next_one_read(tmp_path):
    rows = entries(tmp_path, "a.jsonl", '{"a": "' + "x" * 10_000_000 + '"}\n{"a": 2}\n')
    assert str(rows[0]) == "line 1: the row is larger than 8,388,608 bytes, the most that a row may have"
    assert rows[1] == InputRow(2, None, {"a": 2})


def test_keys_without_end_are_refused(tmp_path):
    content = "".join(f'{{"k{i}": 1}}\n' for i in range(2001))
    with pytest.raises(InvalidInput, match="line 2001: over 2000 different keys"):
        entries(tmp_path, "a.jsonl", content)


def test_custom_id_may_be_a_number_or_missing(tmp_path):
    rows = entries(tmp_path, "a.jsonl", '{"custom_id": 17}\n{"custom_id": ""}\n{"custom_id": null}\n{"custom_id": "x"}')
    assert [row.custom_id for row in rows] == ["17", None, None, "x"]
    assert rows[0].columns == {"custom_id": 17}
