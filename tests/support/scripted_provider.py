"""A provider that plays a script: a real implementation of the protocol, for tests of what stands above it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from agents.llm.client import LLMClient
from agents.llm.types import (
    Chunk,
    Completion,
    CompletionRequest,
    Embedding,
    EmbeddingRequest,
    TextDelta,
    ToolCall,
    Usage,
)


@dataclass
class ScriptedProvider:
    """Answers each call with the next entry of `script`; an exception is raised. Each call takes `delay` seconds.

    A stream yields the answer's text word by word. `requests` holds what was asked; `closed_streams` counts the
    streams that were left, at their end or before.
    """

    script: Sequence[Completion | Exception]
    delay: float = 0.0
    requests: list[CompletionRequest] = field(default_factory=list)
    closed_streams: int = 0
    embedded: list[EmbeddingRequest] = field(default_factory=list)

    async def complete(self, request: CompletionRequest) -> Completion:
        """Return the next answer."""
        self.requests.append(request)
        await asyncio.sleep(self.delay)
        answer = self.script[len(self.requests) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def stream(self, request: CompletionRequest) -> AsyncIterator[Chunk]:
        """Yield the next answer."""
        try:
            answer = await self.complete(request)
            for word in answer.text.split(" "):
                yield TextDelta(word)
            yield answer
        finally:
            self.closed_streams += 1

    async def embed(self, request: EmbeddingRequest) -> Embedding:
        """Return the same vector of two numbers for each input."""
        self.embedded.append(request)
        return Embedding(tuple((0.5, -0.5) for _ in request.inputs), Usage(3 * len(request.inputs)))

    async def list_models(self) -> list[str]:
        """Return one model."""
        return ["scripted-1"]

    async def aclose(self) -> None:
        """Have nothing to close."""

    @property
    def client(self) -> LLMClient:
        """A client of this provider."""
        return LLMClient(self)


def says(text: str, input_tokens: int = 10, output_tokens: int = 5, finish_reason: str = "stop") -> Completion:
    """Return an answer in text."""
    return Completion(text, usage=Usage(input_tokens, output_tokens), finish_reason=finish_reason)


def asks_for(*calls: tuple[str, str], input_tokens: int = 10, output_tokens: int = 5) -> Completion:
    """Return an answer that asks for tools, each by name and arguments as JSON text."""
    tool_calls = tuple(ToolCall(f"call_{number}", name, arguments) for number, (name, arguments) in enumerate(calls))
    return Completion("", tool_calls, Usage(input_tokens, output_tokens), "tool_calls")
