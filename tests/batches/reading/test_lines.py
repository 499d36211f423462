"""Lines of a file that comes in pieces of any size."""

import pytest

from batches.reading.lines import Place, split_lines

START = Place()
FILE = b"\xef\xbb\xbfone\ntwo\r\n\n" + b"long" * 10 + b"\nlast"


def read(size: int, start: Place = START, longest: int = 100) -> list[tuple[bytes | None, Place]]:
    """Return the lines of FILE, read in chunks of `size` bytes from `start` on."""
    rest = FILE[start.offset :]
    chunks = [rest[at : at + size] for at in range(0, len(rest), size)]
    return [(line.raw, line.after) for line in split_lines(chunks, start, longest)]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_lines_are_the_same_however_the_file_is_cut(size: int):
    lines = read(size)
    assert [raw for raw, _ in lines] == [b"one", b"two\r", b"", b"long" * 10, b"last"]
    assert [place.line for _, place in lines] == [1, 2, 3, 4, 5]
    assert lines[-1][1].offset == len(FILE)


@pytest.mark.parametrize("number", range(5))
def test_reading_goes_on_behind_any_line(number: int):
    lines = read(3)
    assert read(4, lines[number][1]) == lines[number + 1 :]


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_line_that_is_too_long_is_passed_over(size: int):
    lines = read(size, longest=20)
    assert [raw for raw, _ in lines] == [b"one", b"two\r", b"", None, b"last"]
    assert lines[-1][1] == Place(len(FILE), 5)


def test_a_file_without_bytes_has_no_lines():
    assert list(split_lines([], Place())) == []
    assert list(split_lines([b""], Place())) == []
