"""Short ways to call a client."""

from typing import Any

from agents.llm.client import LLMClient
from agents.llm.types import Chunk, Completion, CompletionRequest, Message, TextDelta


def ask(text: str = "Hello there", *, model: str = "fake-small", **values: Any) -> CompletionRequest:
    """Return a request of one user message; `values` are further fields."""
    values.setdefault("timeout", 5.0)
    return CompletionRequest(model, values.pop("messages", (Message("user", text),)), **values)


async def read_stream(client: LLMClient, request: CompletionRequest) -> tuple[list[str], Completion]:
    """Return the streamed texts and the whole."""
    chunks: list[Chunk] = [chunk async for chunk in client.stream(request)]
    texts = [chunk.text for chunk in chunks if isinstance(chunk, TextDelta)]
    assert isinstance(chunks[-1], Completion)
    assert len(texts) == len(chunks) - 1
    return texts, chunks[-1]


async def call(client: LLMClient, request: CompletionRequest, *, stream: bool) -> Completion:
    """Return the answer, asked for in either way."""
    return (await read_stream(client, request))[1] if stream else await client.complete(request)
