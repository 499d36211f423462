"""An estimate of tokens that needs no vocabulary and no network; the provider's own count corrects it afterwards."""

import math

import orjson

from agents.llm.types import (
    CompletionRequest,
    EmbeddingInput,
    FilePart,
    ImagePart,
    Message,
    Part,
    ToolCall,
    Usage,
)

BYTES_PER_TOKEN = 4
# What the chat format adds to each message: its role and its delimiters.
TOKENS_PER_MESSAGE = 4
# What OpenAI counts for an image of 1,024 by 1,024 pixels in high detail, and for any in low detail:
# https://platform.openai.com/docs/guides/images-vision#calculating-costs. Others count between 250 and 1,600.
TOKENS_PER_IMAGE = 765
TOKENS_PER_SMALL_IMAGE = 85
# A file that is no text is taken for a PDF: a page is some 50 kB, and 1,500 to 3,000 tokens:
# https://docs.claude.com/en/docs/build-with-claude/pdf-support. One that stands at an address counts as a page.
BYTES_PER_PAGE = 50_000
TOKENS_PER_PAGE = 2_000


def utf8_size(text: str) -> int:
    """Return the bytes that `text` takes in UTF-8; a lone surrogate, which JSON can smuggle in, counts three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def estimate_tokens(text: str) -> int:
    """Return about how many tokens `text` has: one for every four bytes of its UTF-8, rounded up; none for no text.

    Four bytes a token is the usual rule of thumb for English; scripts of three bytes a character get 0.75 tokens a
    character by the same rule, which is near what current vocabularies give.
    """
    return math.ceil(utf8_size(text) / BYTES_PER_TOKEN)


def estimate_input_tokens(value: EmbeddingInput) -> int:
    """Return about how many tokens a text to be embedded has; exactly, where it is given as its tokens."""
    return estimate_tokens(value) if isinstance(value, str) else len(value)


def estimate_message_tokens(message: Message) -> int:
    """Return about how many tokens `message` takes, with its tool calls and what the chat format adds."""
    calls = sum(estimate_tokens(call.name) + estimate_tokens(call.arguments) for call in message.tool_calls)
    parts = sum(map(_part_tokens, message.parts)) if message.parts else 0
    return TOKENS_PER_MESSAGE + estimate_tokens(message.content) + len(message.tokens) + calls + parts


def _part_tokens(part: Part) -> int:
    """Return about how many tokens an image or a file takes; texts count in the message's content."""
    if isinstance(part, ImagePart):
        return TOKENS_PER_SMALL_IMAGE if part.detail == "low" else TOKENS_PER_IMAGE
    if isinstance(part, FilePart):
        head, _, data = part.url.partition(",")
        size = len(data) * 3 // 4 if ";base64" in head else len(data)
        if head.startswith("data:text/"):
            return math.ceil(size / BYTES_PER_TOKEN)
        return max(1, math.ceil(size / BYTES_PER_PAGE)) * TOKENS_PER_PAGE
    return 0


def estimate_request_tokens(request: CompletionRequest) -> int:
    """Return about how many input tokens `request` takes: its messages, its tools and its output schema."""
    total = sum(map(estimate_message_tokens, request.messages))
    for tool in request.tools:
        total += estimate_tokens(tool.name) + estimate_tokens(tool.description)
        total += estimate_tokens(orjson.dumps(dict(tool.parameters)).decode())
    if request.output_schema is not None:
        total += estimate_tokens(orjson.dumps(dict(request.output_schema)).decode())
    return total


def estimate_usage(request: CompletionRequest, text: str, calls: tuple[ToolCall, ...]) -> Usage:
    """Return about what a call took whose answer is `text` and `calls`, for servers that do not say."""
    output = estimate_tokens(text) + sum(estimate_tokens(call.name + call.arguments) for call in calls)
    return Usage(estimate_request_tokens(request), output)
