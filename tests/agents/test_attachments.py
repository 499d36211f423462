"""Images and files of rows and chat bodies, as parts of a message."""

import pytest

from agents.attachments import attached_parts, url_part
from agents.llm.types import FilePart, ImagePart, Message
from agents.messages import build_messages
from agents.spec import AgentSpec
from workers.errors import InvalidInput

PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="
SPEC = AgentSpec("look", 1, "sim", "sim-1", prompt="What is on {{ photo_name }}?", attachments=("photo", "paper"))


def test_columns_become_parts_behind_the_prompt():
    columns = {"photo_name": "it", "photo": PNG, "paper": ["https://example.com/a/report.PDF?x=1", PDF]}

    (message,) = build_messages(SPEC, "columns", columns)

    assert message == Message(
        "user",
        "What is on it?",
        parts=(
            "What is on it?",
            ImagePart(PNG),
            FilePart("https://example.com/a/report.PDF?x=1", "file.pdf"),
            FilePart(PDF, "file.pdf"),
        ),
    )


@pytest.mark.parametrize("nothing", ["", None, []])
def test_an_empty_column_attaches_nothing(nothing):
    (message,) = build_messages(SPEC, "columns", {"photo_name": "it", "photo": nothing, "paper": nothing})

    assert message == Message("user", "What is on it?")


@pytest.mark.parametrize(
    "wrong",
    [
        "http://example.com/a.png",
        "file:///etc/passwd",
        "/etc/passwd",
        "../../etc/passwd",
        "data:image/png,raw",
        "data:image/png;base64,not base64!",
        "data:;base64,AAAA",
        "https://user:secret@example.com/a.png",
        "https://",
        "https://[::1/a.png",
        "https://example.com/a b.png",
        7,
        {"url": PNG},
    ],
)
def test_what_is_no_file_is_refused_by_the_name_of_its_column(wrong):
    with pytest.raises(InvalidInput, match=r"column 'photo' must be a data: URL"):
        attached_parts(["photo"], {"photo": wrong})


def test_a_missing_column_is_named():
    with pytest.raises(InvalidInput, match="no column 'photo'; available: a, b"):
        attached_parts(["photo"], {"b": "", "a": ""})


def test_a_row_has_a_bounded_number_of_attachments():
    with pytest.raises(InvalidInput, match="21 attachments; at most 20"):
        attached_parts(["photo"], {"photo": [PNG] * 21})


@pytest.mark.security
def test_hostile_urls_take_no_time():
    with pytest.raises(InvalidInput):
        url_part("data:image/png;" + "a=" * 5_000_000, "photo")
    with pytest.raises(InvalidInput, match="at most"):
        url_part("data:image/png;base64," + "A" * 40_000_000, "photo")


def test_chat_bodies_hold_images_and_files_in_their_order():
    content = [
        {"type": "text", "text": "Compare "},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
        {"type": "text", "text": "with this."},
        {"type": "file", "file": {"file_data": PDF, "filename": "paper.pdf"}},
    ]

    (message,) = build_messages(SPEC, "chat", {"messages": [{"role": "user", "content": content}]})

    assert message.content == "Compare with this."
    assert message.parts == ("Compare ", ImagePart(PNG, "low"), "with this.", FilePart(PDF, "paper.pdf"))


@pytest.mark.parametrize(
    ("role", "part", "told"),
    [
        (
            "user",
            {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}},
            r"content\[0\]\.image_url\.url must",
        ),
        (
            "user",
            {"type": "image_url", "image_url": {"url": PNG, "detail": "much"}},
            "detail must be auto, low or high",
        ),
        ("user", {"type": "image_url", "image_url": PNG}, r"content\[0\] must be a part of type"),
        ("user", {"type": "file", "file": {"file_id": "file-1"}}, r"content\[0\] must be a part of type"),
        ("user", {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}, "must be a part of type"),
        ("system", {"type": "image_url", "image_url": {"url": PNG}}, "role user alone"),
    ],
)
def test_wrong_parts_are_named(role, part, told):
    with pytest.raises(InvalidInput, match=told):
        build_messages(SPEC, "chat", {"messages": [{"role": role, "content": [part]}]})
