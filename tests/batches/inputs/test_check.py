"""The check before anything is created, and the second pass."""

import pytest

from batches.inputs import RowProblem, check_input, read_rows
from batches.inputs import check as check_module
from workers.errors import InvalidInput

from .files import write


def test_a_good_file_is_reported_whole(tmp_path):
    path = write(tmp_path, "a.csv", "custom_id,ticket\nx,1\ny,2\n")
    report = check_input(path, ["ticket"])
    assert (report.total, report.columns, report.problem_count) == (2, ("custom_id", "ticket"), 0)
    assert (report.format, report.kind, report.bytes) == ("csv", "columns", path.stat().st_size)
    assert report.describe() == ""
    assert [row.columns["ticket"] for row in read_rows(report)] == ["1", "2"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "is empty"),
        ("a.csv", "ticket\n", "has a header, but no rows under it"),
        ("a.csv", "ticket\n\n\n", "has a header, but no rows under it"),
        ("a.jsonl", "", "has no rows"),
        ("a.jsonl", "\n \n", "has no rows"),
    ],
)
def test_a_file_without_rows_is_one_clear_error(tmp_path, name, content, message):
    with pytest.raises(InvalidInput, match=message):
        check_input(write(tmp_path, name, content), ["ticket"])


@pytest.mark.parametrize(("name", "content"), [("a.csv", "tickets,x\n1,2\n"), ("a.jsonl", '{"tickets":1,"x":2}\n')])
def test_a_name_that_no_column_has_is_one_error_with_a_close_match(tmp_path, name, content):
    with pytest.raises(
        InvalidInput, match=r"needs 'ticket', which is no column of: tickets, x\. Did you mean 'tickets'\?"
    ):
        check_input(write(tmp_path, name, content), ["ticket"])


def test_a_row_that_lacks_a_needed_name_is_a_problem_of_its_line(tmp_path):
    report = check_input(write(tmp_path, "a.jsonl", '{"a":1,"b":1}\n{"b":1}\n{"a":1,"b":2}\n'), ["a"])
    assert report.problems == (RowProblem(2, "a", "is missing, and the prompt needs it"),)
    assert [row.line for row in read_rows(report, skip_problems=True)] == [1, 3]


def test_bad_rows_are_counted_and_the_first_ones_described(tmp_path):
    report = check_input(write(tmp_path, "a.csv", "a,b\n" + "1\n" * 60 + "1,2\n"), max_problems=20)
    assert (report.total, report.problem_count, len(report.problems)) == (1, 60, 20)
    described = report.describe(most=2).splitlines()
    assert described[0] == "a.csv: 60 bad rows of 61"
    assert described[1] == "  line 2: has 1 field, but the header has 2"
    assert described[3:] == ["  and 58 more"]
    with pytest.raises(InvalidInput, match="60 bad rows of 61"):
        list(read_rows(report))


def test_a_repeated_custom_id_names_both_lines(tmp_path):
    path = write(tmp_path, "a.csv", "custom_id,t\nx,1\ny,2\nbad\nx,3\n,4\n,5\nx,6\n")
    report = check_input(path)
    assert [str(problem) for problem in report.problems] == [
        "line 4: has 1 field, but the header has 2",
        "line 5, column 'custom_id': 'x' is already the custom_id of line 2",
        "line 8, column 'custom_id': 'x' is already the custom_id of line 2",
    ]
    assert (report.total, report.problem_count) == (4, 3)
    assert [row.line for row in read_rows(report, skip_problems=True)] == [2, 3, 6, 7]


def test_a_number_and_its_text_are_the_same_custom_id(tmp_path):
    report = check_input(write(tmp_path, "a.jsonl", '{"custom_id":7}\n{"custom_id":"7"}\n'))
    assert str(report.problems[0]).startswith("line 2, column 'custom_id': '7' is already")


def test_hashes_that_collide_are_no_duplicates(tmp_path, monkeypatch):
    from batches.inputs import unique

    monkeypatch.setattr(unique, "hash", lambda text: 1, raising=False)
    report = check_input(write(tmp_path, "a.csv", "custom_id\na\nb\nc\nb\n"))
    assert [problem.line for problem in report.problems] == [5]
    assert report.total == 3


def test_a_file_that_only_repeats_itself_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(check_module, "MAX_DUPLICATES", 3)
    with pytest.raises(InvalidInput, match="3 rows or more repeat a custom_id, as line 3 repeats that of line 2"):
        check_input(write(tmp_path, "a.csv", "custom_id\n" + "x\n" * 9))


def test_more_rows_than_a_batch_holds_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(check_module, "MAX_BATCH_ROWS", 3)
    assert check_input(write(tmp_path, "a.csv", "a\n1\n2\n3\n")).total == 3
    with pytest.raises(InvalidInput, match="more than 3 rows"):
        check_input(write(tmp_path, "b.csv", "a\n1\n2\n3\n4\n"))


@pytest.mark.parametrize("changed", ["a,b\n1,2\n3\n", "a,b\n1,2\n3,4\n5,6\n", "a,b\n1,2\n\n\n\n"])
def test_a_file_that_changed_since_is_noticed(tmp_path, changed):
    path = write(tmp_path, "a.csv", "a,b\n1,2\n3,4\n")
    report = check_input(path)
    path.write_text(changed)
    with pytest.raises(InvalidInput, match="has changed since it was checked"):
        list(read_rows(report))


def test_rows_that_turned_bad_under_the_same_size_are_noticed(tmp_path):
    path = write(tmp_path, "a.csv", "a,b\n1,2\n3,4\n")
    report = check_input(path)
    path.write_text("a,b\n1,2\n3;4\n")
    with pytest.raises(InvalidInput, match="has changed since it was checked"):
        list(read_rows(report))
