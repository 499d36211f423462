"""Exports: what stands in them, and that no cell turns into a formula."""

import csv
import io
import json
import sys

import orjson
import pytest
from pyarrow import parquet

from batches.models import Run
from batches.results import FORMATS, BatchResults
from batches.results.csv_format import guarded, plain
from tests.support.factories import make_agent
from workers.errors import InvalidInput

from .finished import failed, make_finished

FIXED = [
    "index", "custom_id", "status", "output", "parsed", "error_code", "error_category", "error_message", "attempts",
    "input_tokens", "output_tokens", "total_tokens", "cost", "latency_ms", "agent", "version", "model",
    "cached_tokens", "reasoning_tokens", "cached",
]  # fmt: skip
SCHEMA = {"type": "object", "properties": {"category": {"type": "string"}, "tags": {"type": "array"}}}
HOSTILE = ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", '"quoted", and\nmore', "naïve 木", "-12.5", "+49", "-"]


def csv_rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


@pytest.fixture
def results():
    version = make_agent(slug="triage", output_schema=SCHEMA).current_version
    rows = [
        {
            "input": {"custom_id": "x", "text": text, "nested": {"a": [1, None]}},
            "custom_id": "x",
            "output": text,
            "parsed": {"category": text, "tags": ["a", 1], "more": True},
            "cost": "0.000012300",
            "latency_ms": 12,
        }
        for text in HOSTILE
    ]
    rows.append(failed("timeout", "=slow()", input={"custom_id": "y"}, custom_id="y"))
    return BatchResults(make_finished(rows, version, columns=["custom_id", "text", "nested"]))


@pytest.mark.django_db(transaction=True)
def test_jsonl_holds_the_records_one_a_line(results, tmp_path):
    assert results.export(tmp_path / "out.jsonl") == len(HOSTILE) + 1
    lines = (tmp_path / "out.jsonl").read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(line) for line in lines] == list(results)
    assert list(json.loads(lines[0])) == list(next(iter(results)))


@pytest.mark.django_db(transaction=True)
def test_what_a_pool_or_the_store_answered_is_in_every_format(tmp_path):
    row = {"model": "groq/llama", "is_cached": True, "cached_tokens": 7, "reasoning_tokens": 3}
    results = BatchResults(make_finished([row]))
    (record,) = [json.loads(line) for line in b"".join(results.stream()).splitlines()]
    assert (record["model"], record["cached"]) == ("groq/llama", True)
    assert (record["usage"]["cached_tokens"], record["usage"]["reasoning_tokens"]) == (7, 3)
    (flat,) = csv_rows(b"".join(results.stream("csv")))
    names = ("model", "cached_tokens", "reasoning_tokens", "cached")
    assert [flat[name] for name in names] == ["groq/llama", "7", "3", "true"]
    results.export(tmp_path / "out.parquet")
    (stored,) = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [stored[name] for name in names] == ["groq/llama", 7, 3, True]


@pytest.mark.django_db(transaction=True)
def test_stored_json_with_line_ends_still_makes_one_line():
    batch = make_finished([{}])
    Run.objects.of_batch(batch.pk).update(input_json='{\n  "a":\r\n 1\n}')
    (line,) = b"".join(BatchResults(batch).stream()).splitlines()
    assert orjson.loads(line)["input"] == {"a": 1}


@pytest.mark.django_db(transaction=True)
def test_csv_lays_the_record_flat(results):
    rows = csv_rows(b"".join(results.stream("csv")))
    assert list(rows[0]) == [
        *FIXED, "parsed.category", "parsed.tags", "input.custom_id", "input.text", "input.nested",
    ]  # fmt: skip
    first = rows[0]
    assert (first["index"], first["status"], first["cost"], first["latency_ms"]) == (
        "0",
        "succeeded",
        "0.0000123",
        "12",
    )
    assert (first["agent"], first["version"], first["total_tokens"]) == ("triage", "1", "15")
    assert json.loads(first["parsed"]) == {"category": "=1+1", "tags": ["a", 1], "more": True}
    assert (first["parsed.tags"], first["input.nested"]) == ('["a",1]', '{"a":[1,null]}')
    last = rows[-1]
    assert (last["error_code"], last["error_category"], last["error_message"]) == ("timeout", "transient", "'=slow()")
    assert (last["output"], last["parsed"], last["parsed.category"], last["input.text"]) == ("", "", "", "")


@pytest.mark.django_db(transaction=True)
@pytest.mark.security
def test_no_cell_of_a_csv_begins_like_a_formula(results):
    rows = csv_rows(b"".join(results.stream("csv")))
    for column in ("output", "parsed.category", "input.text"):
        assert [row[column] for row in rows[:-1]] == [
            "'=1+1", "'+cmd", "'-2+3", "'@SUM(A1)", "'\t=1", "'\r=1", '"quoted", and\nmore', "naïve 木", "-12.5", "+49",
            "'-",
        ]  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_parquet_holds_the_same_values_unguarded(results, tmp_path):
    path = tmp_path / "out.parquet"
    assert results.export(path) == len(HOSTILE) + 1
    table = parquet.read_table(path)
    assert table.column_names[: len(FIXED)] == FIXED
    assert table["output"].to_pylist() == [*HOSTILE, None]
    assert table["input.text"].to_pylist() == [*HOSTILE, None]
    assert table["parsed.tags"].to_pylist()[0] == '["a",1]'
    assert (table["cost"].to_pylist()[0], table["latency_ms"].to_pylist()[-1]) == (0.0000123, None)
    assert b"".join(results.stream("parquet")) == path.read_bytes()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("format", FORMATS)
def test_a_batch_without_matching_rows_gives_a_file_without_rows(results, tmp_path, format):
    path = tmp_path / f"out.{format}"
    assert results.export(path, state="expired") == 0
    found = {
        "csv": lambda: len(csv_rows(path.read_bytes())),
        "jsonl": lambda: len(path.read_bytes()),
        "parquet": lambda: parquet.read_table(path).num_rows,
    }
    assert found[format]() == 0


@pytest.mark.django_db(transaction=True)
def test_an_export_may_be_filtered_watched_and_written_to_an_open_file(results, monkeypatch):
    monkeypatch.setattr("batches.results.selection.PIECE_ROWS", 4)
    seen = []
    target = io.BytesIO()
    assert results.export(target, "jsonl", on_progress=seen.append) == 12
    assert seen == [4, 8, 12]
    target = io.BytesIO()
    assert results.export(target, "jsonl", state="failed", code="timeout") == 1
    assert json.loads(target.getvalue())["custom_id"] == "y"


@pytest.mark.django_db(transaction=True)
def test_a_chat_body_has_one_column_in_csv():
    body = {"messages": [{"role": "user", "content": "hi"}]}
    batch = make_finished([{"input": body, "input_kind": "chat"}], input_kind="chat", columns=[])
    (row,) = csv_rows(b"".join(BatchResults(batch).stream("csv")))
    assert json.loads(row["input"]) == body


@pytest.mark.django_db(transaction=True)
def test_a_bad_format_is_refused_before_anything_is_written(results, tmp_path):
    with pytest.raises(InvalidInput, match="format is 'xml'; allowed: csv, jsonl, parquet"):
        results.stream("xml")
    with pytest.raises(InvalidInput, match=r"out\.xlsx: the ending tells no format"):
        results.export(tmp_path / "out.xlsx")
    with pytest.raises(InvalidInput, match="state is 'done'"):
        results.export(tmp_path / "out.csv", state="done")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db(transaction=True)
def test_parquet_without_pyarrow_says_what_to_install(results, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidInput, match=r"pip install 'arboretum\[parquet\]'"):
        results.export(tmp_path / "out.parquet")
    assert results.export(tmp_path / "out.csv") == 12


@pytest.mark.parametrize(
    ("text", "shown"),
    [("", ""), ("'=x", "'=x"), ("-1e5", "-1e5"), ("+.5", "+.5"), ("-1-1", "'-1-1"), ("=", "'="), ("1=1", "1=1")],
)
@pytest.mark.security
def test_only_what_begins_like_a_formula_is_guarded(text, shown):
    assert guarded(text) == shown


@pytest.mark.parametrize(("cost", "shown"), [(0.0, "0"), (1e-9, "0.000000001"), (12.5, "12.5"), (100.0, "100")])
def test_money_has_no_exponent(cost, shown):
    assert plain(cost) == shown
