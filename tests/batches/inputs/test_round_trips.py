"""Whatever can be written as CSV or JSONL is read back as it was."""

import csv
import io
import json
from contextlib import suppress

import orjson
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from batches.inputs import canonical_json, check_input, open_input, read_rows
from workers.errors import InvalidInput
from workers.json_values import strict_reason

from .files import write

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=8)
tables = st.lists(names, min_size=1, max_size=4, unique=True).flatmap(
    lambda header: st.tuples(
        st.just(header), st.lists(st.lists(texts, min_size=len(header), max_size=len(header)), min_size=1, max_size=5)
    )
)
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)


examples = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(tables)
@examples
def test_csv_as_the_csv_module_writes_it_is_read_back(tmp_path, table):
    header, rows = table
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    file = open_input(write(tmp_path, "a.csv", text.getvalue()))
    assert file.columns == tuple(header)
    assert [list(row.columns.values()) for row in file.rows()] == rows


@given(st.lists(st.dictionaries(names, json_values, min_size=1, max_size=4), min_size=1, max_size=4))
@examples
def test_jsonl_is_read_back_and_stored_without_a_change(tmp_path, rows):
    rows = [{name: value for name, value in row.items() if name != "custom_id"} or {"a": 1} for row in rows]
    content = "".join(json.dumps(row, ensure_ascii=index % 2 == 0) + "\n" for index, row in enumerate(rows))
    report = check_input(write(tmp_path, "a.jsonl", content))
    assert report.problem_count == 0, report.describe()
    found = [row.columns for row in read_rows(report)]
    assert found == rows
    assert [orjson.loads(canonical_json(columns)) for columns in found] == rows


@given(st.lists(st.tuples(names, st.sampled_from(["1", '"a\\": :"', '{"k" :1}', "[2.5]"])), min_size=1, max_size=5))
@examples
def test_the_quick_look_for_repeated_keys_misses_none(tmp_path, pairs):
    line = "{" + ", ".join(f"{json.dumps(name)} : {value}" for name, value in pairs) + "}"
    file = open_input(write(tmp_path, "a.jsonl", line))
    repeated = len({name for name, _ in pairs}) < len(pairs)
    assert (strict_reason(line.encode()) is not None) == repeated
    assert bool(list(file.rows())) is not repeated or any(name == "custom_id" for name, _ in pairs)


@example(b"\0\r\t", "a.csv")
@given(st.binary(max_size=200), st.sampled_from(["a.csv", "a.jsonl", "a"]))
@settings(examples, max_examples=300)
def test_any_bytes_end_in_rows_or_in_a_clear_error(tmp_path, content, name):
    path = write(tmp_path, name, content)
    with suppress(InvalidInput):
        report = check_input(path)
        rows = [canonical_json(row.columns) for row in read_rows(report, skip_problems=True)]
        assert len(rows) == report.total
