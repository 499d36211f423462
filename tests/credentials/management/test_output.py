"""Tables, JSON and safe text."""

import datetime as dt
import json
from decimal import Decimal

import pytest

from credentials.management.output import one_line, printable, table, to_json


def test_columns_of_numbers_stand_to_the_right():
    text = table(("name", "runs", "cost"), [("a", 5, Decimal("0.5")), ("longer", 1200, None)])
    assert text.splitlines() == ["NAME    RUNS  COST", "a          5   0.5", "longer  1200     -"]


def test_mixed_columns_stand_to_the_left_and_lines_end_without_blanks():
    assert table(("a", "b"), [("1", "x"), ("2b", "")]).splitlines() == ["A   B", "1   x", "2b  -"]


def test_wide_characters_keep_the_columns_aligned():
    lines = table(("name", "n"), [("日本", 1), ("abcd", 2)]).splitlines()
    assert lines == ["NAME  N", "日本  1", "abcd  2"]


def test_cells_are_one_line_truth_is_a_word_and_times_are_utc():
    zone = dt.timezone(dt.timedelta(hours=2))
    row = ("a\nb\x1b[2J", True, False, dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=zone))
    assert table(("w", "x", "y", "z"), [row]).splitlines()[1] == "a b\ufffd[2J  yes  no  2026-01-02 01:04:05Z"


def test_an_empty_table_says_so():
    assert table(("a",), [], "Nothing yet.") == "Nothing yet."


@pytest.mark.parametrize("hostile", ["\x1b", "\x9b", "\x00", "\x7f", "\r", "\u202e", "\u2066", "\ud800"])
def test_nothing_drives_the_terminal(hostile):
    assert printable(f"a{hostile}b\n\tc") == "a\ufffdb\n\tc"
    assert hostile not in one_line(f"a{hostile}b")
    assert json.loads(to_json({hostile: hostile})) == {hostile: hostile}
    assert hostile not in to_json({hostile: hostile})


def test_lines_of_windows_are_lines():
    assert printable("a\r\nb\r\r\n") == "a\r\nb\ufffd\r\n"


def test_json_keeps_whole_decimals_whole_and_refuses_the_unknown():
    assert to_json([Decimal("2.000"), Decimal("0.1")]) == "[\n  2,\n  0.1\n]"
    with pytest.raises(TypeError, match="object is not JSON"):
        to_json(object())
