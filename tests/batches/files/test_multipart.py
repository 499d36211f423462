"""A form is the same however its body is cut into pieces."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.files.multipart import MultipartForm, PartData, PartStart
from workers.errors import InvalidInput

from .forms import TYPE, form_of

# Text near to boundaries and line ends, which a parser may take for them.
TRICKY = st.lists(st.sampled_from([b"\r\n", b"--", b"\r\n--frontie", b"frontier", b"\r", b"\n", b"x", b"\x00"])).map(
    b"".join
)


def parts_of(pieces: list[bytes]) -> list[tuple[str, str | None, bytes]]:
    """Return the parts: name, filename and value."""
    parts: list[tuple[str, str | None, bytes]] = []
    for event in MultipartForm(pieces, TYPE).events():
        if isinstance(event, PartStart):
            parts.append((event.name, event.filename, b""))
        elif isinstance(event, PartData):
            name, filename, value = parts.pop()
            parts.append((name, filename, value + event.data))
    return parts


@given(first=TRICKY, second=TRICKY, cuts=st.lists(st.integers(0, 400)))
def test_values_come_through_whole_in_whatever_pieces(first: bytes, second: bytes, cuts: list[int]):
    if b"\r\n--frontier" in b"\r\n" + first or b"\r\n--frontier" in b"\r\n" + second:
        return
    body = form_of(("a", first, None), ("file", second, "ä.jsonl"))
    ends = sorted({min(cut, len(body)) for cut in cuts} | {0, len(body)})
    pieces = [body[start:end] for start, end in pairwise(ends)]
    assert parts_of(pieces) == [("a", None, first), ("file", "ä.jsonl", second)]


@pytest.mark.parametrize("end", [0, 10, 60, 100])
def test_a_body_that_ends_early_is_refused(end: int):
    body = form_of(("a", b"value", None))
    with pytest.raises(InvalidInput, match="ends before"):
        parts_of([body[: min(end, len(body) - 5)]])


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data", "multipart/mixed; boundary=x"])
def test_other_content_types_are_refused(kind: str):
    with pytest.raises(InvalidInput, match="multipart/form-data"):
        MultipartForm([], kind)


def test_headers_without_end_are_refused():
    with pytest.raises(InvalidInput):
        parts_of([b"--frontier\r\n", *[b"X-Long: " + b"x" * 1000] * 1000])
