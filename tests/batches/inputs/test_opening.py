"""Which format a file is taken for, and which files are refused at once."""

import os

import pytest

from batches.inputs import open_input
from workers.errors import InvalidInput

from .files import write


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("a.csv", "{a\n1\n", "csv"),
        ("a.CSV", "a\n1\n", "csv"),
        ("a.tsv", "a\tb\n", "csv"),
        ("a.jsonl", "{}", "jsonl"),
        ("a.ndjson", "{}", "jsonl"),
        ("a.txt", ' {"a": 1}', "jsonl"),
        ("a", "a;b\n1;2\n", "csv"),
    ],
)
def test_the_ending_tells_the_format_and_then_the_content(tmp_path, name, content, format):
    assert open_input(write(tmp_path, name, content)).format == format


def test_a_format_that_is_named_wins(tmp_path):
    assert open_input(write(tmp_path, "a.csv", '{"a": 1}'), format="jsonl").format == "jsonl"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "hello", "neither its ending nor its first line tells the format; name one of csv, jsonl"),
        ("a.json", '[{"a": 1}]', "is a JSON array; JSONL holds one object a line"),
        ("a.txt", "", "is empty"),
        ("a.csv", "a,b\n".encode("utf-16"), "line 1, byte 1: the file is encoded as UTF-16; save it as UTF-8"),
        ("a.csv", "a,b\n".encode("utf-32"), "encoded as UTF-32"),
        ("a.csv", "a,b\n".encode("utf-16-le"), "may be UTF-16"),
        ("a.csv", b"PK\x03\x04...", "is a zip archive or an Excel workbook; save it as CSV"),
        ("a.csv", b"\x1f\x8b...", "is a gzip archive"),
    ],
)
def test_other_files_are_refused_in_words(tmp_path, name, content, message):
    with pytest.raises(InvalidInput, match=message):
        open_input(write(tmp_path, name, content))


def test_what_is_no_regular_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path, tmp_path / "pipe.csv"):
        with pytest.raises(InvalidInput, match="is not a regular file"):
            open_input(path)
    with pytest.raises(InvalidInput, match=r"cannot be read \(No such file"):
        open_input(tmp_path / "missing.csv")


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="format is 'xml'; allowed: csv, jsonl"):
        open_input(write(tmp_path, "a.csv", "a\n"), format="xml")
