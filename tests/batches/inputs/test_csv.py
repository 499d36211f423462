"""CSV: what is read, on which line, and what is refused."""

import pytest

from batches.inputs import InputRow, open_input
from workers.errors import InvalidInput

from .files import entries, problems, write


def test_rows_come_with_their_line_and_their_columns_in_order(tmp_path):
    rows = entries(tmp_path, "a.csv", "b,a\n1,2\n3,4\n")
    assert rows == [InputRow(2, None, {"b": "1", "a": "2"}), InputRow(3, None, {"b": "3", "a": "4"})]
    assert list(rows[0].columns) == ["b", "a"]


def test_quoted_cells_hold_commas_quotes_and_line_ends_and_lines_stay_physical(tmp_path):
    rows = entries(tmp_path, "a.csv", 'id,t\r\n1,"a, ""b""\r\nc\n\nd"\r\n\r\n2,x\r\n')
    assert rows == [
        InputRow(2, None, {"id": "1", "t": 'a, "b"\r\nc\n\nd'}),
        InputRow(7, None, {"id": "2", "t": "x"}),
    ]


def test_the_last_line_needs_no_end(tmp_path):
    assert entries(tmp_path, "a.csv", "a\n1")[0].columns == {"a": "1"}


def test_blank_lines_are_passed_over_but_an_empty_cell_is_data(tmp_path):
    rows = entries(tmp_path, "a.csv", '\n\n a ,b\n\n , \n   \n"",\n')
    assert [(row.line, row.columns) for row in rows] == [(5, {"a": " ", "b": " "}), (7, {"a": "", "b": ""})]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    assert open_input(write(tmp_path, "a.csv", b"\xef\xbb\xbfname,x\n1,2\n")).columns == ("name", "x")


@pytest.mark.parametrize(
    ("header", "delimiter"),
    [("a,b", ","), ("a;b", ";"), ("a\tb", "\t"), ("a;x,b", ","), ('"a;b",c', ","), ('"a;b"', ","), ('"a;b"\tc', "\t")],
)
def test_the_header_tells_the_delimiter(tmp_path, header, delimiter):
    assert open_input(write(tmp_path, "a.csv", header + "\n")).delimiter == delimiter


def test_rows_are_read_with_the_delimiter_of_the_header(tmp_path):
    assert entries(tmp_path, "a.csv", "a;b\n1,5;2\n")[0].columns == {"a": "1,5", "b": "2"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("a;b\tc\n", "semicolons and tabs"),
        ("a,,b\n", "line 1: the name of column 2 is empty"),
        ("a, \n", "the name of column 2 is empty"),
        ("\na,b,a \n", "line 2: columns 1 and 3 have the same name 'a'"),
        ("a,b\0\n", "column 2 holds a NUL"),
        (f"{'x' * 256},b\n", "longer than 255"),
        (",".join(f"c{i}" for i in range(2001)), "2001 columns; at most 2000"),
        ('"a,b\n1,2\n', "the header cannot be read: a quoted cell is not closed"),
        ("a\rb\tc\r1\t2\r", "the header cannot be read: a carriage return stands alone"),
    ],
)
def test_a_bad_header_is_one_clear_error(tmp_path, content, message):
    with pytest.raises(InvalidInput, match=message):
        open_input(write(tmp_path, "a.csv", content))


def test_ragged_rows_are_named_by_line_and_the_others_are_kept(tmp_path):
    content = "a,b,c\n1,2,3\n1,2\n\n1,2,3,4\nx\n4,5,6\n"
    assert problems(tmp_path, "a.csv", content) == [
        "line 3: has 2 fields, but the header has 3",
        "line 5: has 4 fields, but the header has 3",
        "line 6: has 1 field, but the header has 3",
    ]
    assert [row.columns["a"] for row in open_input(tmp_path / "a.csv").rows()] == ["1", "4"]


def test_a_nul_is_refused_and_its_column_named(tmp_path):
    assert problems(tmp_path, "a.csv", "a,b\n1,x\0y\n2,z\n") == [
        "line 2, column 'b': holds a NUL character (U+0000), which a database cannot store"
    ]


def test_another_encoding_is_named_by_line_and_byte(tmp_path):
    with pytest.raises(InvalidInput, match=r"a\.csv: line 3, byte 6: 0xE9 is not UTF-8.*save it as UTF-8"):
        entries(tmp_path, "a.csv", "a,b\n1,ok\n2,caf\xe9\n".encode("latin-1"))


def test_a_surrogate_written_as_bytes_is_not_utf8(tmp_path):
    with pytest.raises(InvalidInput, match="line 2, byte 3: 0xED is not UTF-8"):
        entries(tmp_path, "a.csv", b"a,b\n1,\xed\xa0\x80\n")


def test_text_after_a_closing_quote_spoils_its_row_alone(tmp_path):
    assert problems(tmp_path, "a.csv", 'a,b\n1,"x" y\n2,z\n3,"open') == [
        "line 2: text follows the closing quote of a cell; write a quote inside a quoted cell twice",
        "line 4: a quoted cell is not closed",
    ]


@pytest.mark.parametrize("rest", ["3,4\n5,6\n", '3,"4"\n'])
def test_a_quote_left_open_over_lines_is_an_error_and_no_row_to_skip(tmp_path, rest):
    with pytest.raises(InvalidInput, match=r"line 2: a quote is opened in this row and read up to line [34]"):
        entries(tmp_path, "a.csv", 'a,b\n1,"x\n' + rest)


def test_a_carriage_return_alone_is_explained(tmp_path):
    (problem,) = problems(tmp_path, "a.csv", "a,b\n1,x\ry\n2,z\n")
    assert problem == "line 2: a carriage return stands alone outside quotes; end lines with a line feed"


def test_a_cell_may_have_as_many_bytes_as_the_setting_says(tmp_path, settings):
    settings.ARBORETUM_MAX_CELL_BYTES = 10
    content = f"a,b\n1,{'x' * 10}\n2,{'é' * 6}\n3,{'x' * 11}\n"
    assert problems(tmp_path, "a.csv", content) == [
        f"line {line}, column 'b': is larger than 10 bytes, the most that a cell may have" for line in (3, 4)
    ]


def test_a_cell_over_the_csv_modules_own_limit_passes(tmp_path):
    assert len(entries(tmp_path, "a.csv", f"a,b\n1,{'x' * 500_000}\n")[0].columns["b"]) == 500_000


def test_a_row_of_ten_megabytes_is_refused_by_line_and_the_next_one_read(tmp_path):
    rows = entries(tmp_path, "a.csv", 'a,b\n1,"' + "x" * 10_000_000 + '"\n2,ok\n')
    assert str(rows[0]) == "line 2: the row is larger than 8,388,608 bytes, the most that a row may have"
    assert rows[1] == InputRow(3, None, {"a": "2", "b": "ok"})


def test_a_quote_open_for_ten_megabytes_of_lines_ends_the_reading(tmp_path):
    with pytest.raises(InvalidInput, match="still open on line"):
        entries(tmp_path, "a.csv", 'a,b\n1,"' + "x,y\n" * 2_500_000)


def test_custom_id_is_taken_and_stays_a_column(tmp_path):
    rows = entries(tmp_path, "a.csv", "custom_id,a\nx-1,1\n,2\n")
    assert rows[0] == InputRow(2, "x-1", {"custom_id": "x-1", "a": "1"})
    assert rows[1] == InputRow(3, None, {"custom_id": "", "a": "2"})


def test_a_long_custom_id_is_refused(tmp_path):
    content = f"custom_id\n{'x' * 255}\n{'x' * 256}\n"
    assert problems(tmp_path, "a.csv", content) == ["line 3, column 'custom_id': is longer than 255 characters"]


def test_a_cell_that_looks_like_an_object_is_plain_data(tmp_path):
    cell = '{"__type__": "datetime", "__value__": "x"}'
    assert entries(tmp_path, "a.csv", f'a\n"{cell.replace(chr(34), chr(34) * 2)}"\n')[0].columns == {"a": cell}
