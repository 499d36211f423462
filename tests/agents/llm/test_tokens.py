"""The offline estimate of tokens."""

import pytest

from agents.llm.tokens import TOKENS_PER_MESSAGE, estimate_message_tokens, estimate_request_tokens, estimate_tokens
from agents.llm.types import CompletionRequest, FilePart, ImagePart, Message, Part, ToolCall, ToolSpec

from .calls import ask


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("漢字漢字", 3), ("\ud800", 1), ("🌳", 1)]
)
def test_estimate_is_a_token_for_four_bytes(text: str, tokens: int):
    assert estimate_tokens(text) == tokens


def test_request_counts_messages_tools_and_schema():
    plain = estimate_request_tokens(ask("abcd"))
    assert plain == TOKENS_PER_MESSAGE + 1
    tool = ToolSpec("name", "text", {})
    assert estimate_request_tokens(ask("abcd", tools=(tool,))) == plain + 3
    assert estimate_request_tokens(ask("abcd", output_schema={"type": "object"})) > plain
    call = Message("assistant", "", (ToolCall("1", "name", "{}"),))
    request = CompletionRequest("m", (Message("user", "abcd"), call))
    assert estimate_request_tokens(request) == plain + TOKENS_PER_MESSAGE + 2


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        ("a text, which counts in the content", 0),
        (ImagePart("https://example.com/a.png"), 765),
        (ImagePart("data:image/png;base64,AAAA", detail="low"), 85),
        (FilePart("data:text/plain,12345678"), 2),
        (FilePart("data:text/plain;base64," + "A" * 1600), 300),
        (FilePart("data:application/pdf;base64," + "A" * 200_000), 6_000),
        (FilePart("https://example.com/a.pdf"), 2_000),
    ],
)
def test_images_and_files_count_by_rules_of_thumb(part: Part, tokens: int):
    plain = Message("user", "abcd")
    with_part = Message("user", "abcd", parts=("abcd", part))
    assert estimate_message_tokens(with_part) - estimate_message_tokens(plain) == tokens
