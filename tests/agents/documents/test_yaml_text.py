"""YAML of documents: exact both ways, and nothing hostile is read."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.documents.yaml_text import MAX_BYTES, read_documents, to_yaml
from workers.errors import InvalidInput

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["", " ", "no", "~", "1e3", "0x10", "1:30", "<<", "=", "- a", "a: b", "a #b", "\ta\n", "a\n\n", "a\x85b", "x\r\ny"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES.filter(lambda value: value is not None))
def test_what_is_written_is_read_back_exactly(value: object) -> None:
    (read,) = read_documents(to_yaml(value))
    assert repr(read) == repr(value)


@given(TEXTS)
def test_nothing_that_is_written_drives_or_confuses_a_terminal(text: str) -> None:
    written = to_yaml({"text": text + "\x1b[31m\u202e\x9b"})
    assert not set(written) & {"\x1b", "\u202e", "\x9b", "\r", "\x7f"}


def test_a_text_of_several_lines_is_a_literal_block() -> None:
    assert to_yaml({"prompt": "Sort this.\n\n  {{ ticket }}\n"}) == "prompt: |\n  Sort this.\n\n    {{ ticket }}\n"


def test_what_older_readers_take_for_a_truth_value_is_a_text_and_quoted() -> None:
    assert read_documents("a: no\nb: 2026-11-22\nc: 1:30\nd: 010") == [
        {"a": "no", "b": "2026-11-22", "c": "1:30", "d": 10}
    ]
    assert to_yaml({"a": "no"}) == "a: 'no'\n"


def nested_aliases() -> str:
    lines = ["a: &a [" + ", ".join("x" * 10) + "]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    return "\n".join(lines)


@pytest.mark.security
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: !!python/object/apply:os.system [id]", "tag"),
        ("a: !!python/name:os.system", "tag"),
        ("a: !!binary aGk=", "tag"),
        ("a: !secret x", "tag"),
        (nested_aliases(), "line 5, column 36: more than 100,000 values"),
        ("a: &a [*a]", "more than"),
        ("a: *b", "undefined alias"),
        ("[" * 50_000, "nested deeper than 100 levels"),
        ("- " * 5_000, "nested deeper than 100 levels"),
        ("a: &a " + "[" * 60 + "]" * 60 + "\nb: " + "[" * 60 + "*a" + "]" * 60, "nested deeper than 100 levels"),
        ("- a\n" * 200_000, "more than 100,000 values"),
        ("x" * (MAX_BYTES + 1), "larger than 8,388,608 bytes"),
        ("é" * (MAX_BYTES // 2 + 1), "larger than 8,388,608 bytes"),
        ("a: " + "9" * 5_000, "can't be read"),
        ("a: !!int x", "can't be read"),
        ("{a: 1, a: 2}", "line 1, column 8: this name stands there twice"),
        ("1: 2", "a name must be a text"),
        ("? [a]\n: b", "a name must be a text"),
        ("a: \x00", "unacceptable character"),
        ("a: [", "line 1, column 5"),
    ],
    ids=lambda text: repr(text[:24]),
)
def test_what_is_hostile_or_broken_is_refused_within_seconds(text: str, told: str) -> None:
    began = time.monotonic()
    with pytest.raises(InvalidInput, match=told.replace(",", r"\,")):
        read_documents(text)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("text", ['a: "x\\ud800"', '"\\udfff": 1', '["\\ud83d\\ude00"]'])
def test_half_of_a_character_is_refused_with_its_line(text):
    with pytest.raises(InvalidInput, match=r"line 1, column .*half of a character"):
        read_documents(text)
