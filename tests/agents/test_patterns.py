import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.patterns import Pattern
from workers.errors import InvalidInput

PATTERNS = [
    r"^[a-z0-9]+(?:-[a-z0-9]+)*$",
    r"\d{2,4}|x.*?\b",
    r"(a|ab|b)*c$",
    r"^(a*)*b$",
    r"[^\W\d]",
    r"\bfoo\b",
    r"^$",
    r"",
    r"a{0,3}b{2}$",
    r"(?:a?){3}a{3}$",
    r"\Ba",
    r"[\s\S]x",
    r"^a|b$",
    r"[^a-f\d_]{2}",
    r"(?P<named>\S\D)\w",
    r"\A-\Z",
]


@given(st.sampled_from(PATTERNS), st.text("ab-c1x fo\n_", max_size=12).filter(lambda text: not text.endswith("\n")))
def test_finds_what_python_finds(pattern, text):
    assert Pattern(pattern).search(text) is bool(re.search(pattern, text))


def test_the_end_is_the_very_end():
    assert not Pattern("^a$").search("a\n")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(a+)+$", "a" * 19_999 + "b"),
        (r"^(a|a|aa)*$", "a" * 19_999 + "b"),
        (r"(.*){50}x$", "a" * 2_000),
        (r"^[^@\s]+@[^@\s]+\.[^@\s]+$", "@." * 10_000),
    ],
)
def test_no_pattern_tracks_back(pattern, text):
    started = time.perf_counter()

    assert not Pattern(pattern).search(text)
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("[", "not a regular expression"),
        ("a{2,1}", "not a regular expression"),
        ("(?=a)b", "look-around"),
        (r"(a)\1", "back references"),
        ("(?i)a", "flags"),
        ("(?i:a)", "flags"),
        ("a++", "atomic"),
        ("(?>a)", "atomic"),
        ("(((a{50}){50}){50})", "repeats too much"),
        ("a{4000000000}", "repeats too much"),
        ("a" * 1001, "at most 1000 characters"),
        ("(" * 400 + "a" + "){9}" * 120, "not a regular expression"),
    ],
)
def test_what_cannot_be_matched_in_linear_time_is_refused(pattern, reason):
    with pytest.raises(InvalidInput, match=reason):
        Pattern(pattern)


def test_nesting_too_deep_to_be_compiled_is_refused():
    # It can be parsed, but takes five Python frames a level to compile.
    with pytest.raises(InvalidInput, match="not a regular expression that can be used: maximum recursion"):
        Pattern("(" * 230 + "a" + ")*" * 230)


@pytest.mark.parametrize("pattern", ["(?:){4000000000}", "(?:(?:(?:){2000}){2000}){2000}"])
def test_repeats_of_nothing_are_quick(pattern):
    assert Pattern(pattern).search("a")


def test_a_text_too_long_for_its_pattern_is_refused():
    with pytest.raises(InvalidInput, match="1000000 characters are too many"):
        Pattern("[ab]{10}$").search("a" * 1_000_000)
