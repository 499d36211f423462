"""The client that everybody calls: one provider, with what holds for all of them: time, size, sorted errors."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from agents.llm.providers.base import MAX_ANSWER_BYTES, Provider
from agents.llm.tokens import utf8_size
from agents.llm.types import Chunk, Completion, CompletionRequest, Embedding, EmbeddingRequest
from workers.errors import ErrorCode, WorkError


class LLMClient:
    """Calls one provider with one credential from one event loop; any number of calls at once."""

    def __init__(
        self, provider: Provider, *, idle_timeout: float = 60.0, max_answer_bytes: int = MAX_ANSWER_BYTES
    ) -> None:
        """Wrap `provider`.

        `idle_timeout` is the longest silence, in seconds, within a stream that has begun; before its first sign of
        life only the request's own timeout counts, since some models think for minutes. `max_answer_bytes` bounds
        the answer: its text, its thoughts, and the names and arguments of its tool calls, in UTF-8.
        """
        self._provider = provider
        self._idle_timeout = idle_timeout
        self._max_answer_bytes = max_answer_bytes

    async def complete(self, request: CompletionRequest) -> Completion:
        """Return the whole answer to `request`. Raises WorkError; cancellation passes through at once."""
        try:
            async with asyncio.timeout(request.timeout):
                completion = await self._provider.complete(request)
        except Exception as error:
            raise _sorted(error, f"no answer within {request.timeout:g} s") from None
        if _answer_bytes(completion) > self._max_answer_bytes:
            raise self._too_large()
        return completion

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Yield the answer's text as it comes, then the whole as one Completion, and nothing after it.

        Raises WorkError; cancellation passes through at once. Whoever may leave the loop early wraps the generator
        in `contextlib.aclosing`, which closes the connection. The request's timeout counts what the reader takes, too.
        """
        deadline = asyncio.get_running_loop().time() + request.timeout
        size = 0
        async with aclosing(self._timed(request, deadline)) as chunks:
            async for chunk in chunks:
                size = _answer_bytes(chunk) if isinstance(chunk, Completion) else size + utf8_size(chunk.text)
                if size > self._max_answer_bytes:
                    raise self._too_large()
                if isinstance(chunk, Completion):
                    yield chunk
                    return
                if chunk.text:
                    yield chunk
        raise WorkError(ErrorCode.BAD_RESPONSE, "the stream ended without the end of the answer")

    async def embed(self, request: EmbeddingRequest) -> Embedding:
        """Return a vector for each input of `request`. Raises WorkError; cancellation passes through at once."""
        try:
            async with asyncio.timeout(request.timeout):
                embedding = await self._provider.embed(request)
        except Exception as error:
            raise _sorted(error, f"no answer within {request.timeout:g} s") from None
        if len(embedding.vectors) != len(request.inputs):
            told = f"{len(embedding.vectors)} vectors for {len(request.inputs)} inputs"
            raise WorkError(ErrorCode.BAD_RESPONSE, f"the answer holds {told}")
        return embedding

    async def list_models(self) -> list[str]:
        """Return the ids of the models that the credential may use. Raises WorkError."""
        try:
            async with asyncio.timeout(self._idle_timeout):
                return await self._provider.list_models()
        except Exception as error:
            raise _sorted(error, f"no answer within {self._idle_timeout:g} s") from None

    async def aclose(self) -> None:
        """Close the provider's connections."""
        await self._provider.aclose()

    async def _timed(self, request: CompletionRequest, deadline: float) -> AsyncGenerator[Chunk, None]:
        """Yield the provider's chunks; raise WorkError for silence, the deadline and whatever the provider raises."""
        chunks = self._provider.stream(request)
        until = deadline
        try:
            while True:
                try:
                    async with asyncio.timeout_at(until):
                        chunk = await anext(chunks)
                except StopAsyncIteration:
                    return
                except Exception as error:
                    idle = until < deadline
                    limit = f"{self._idle_timeout:g} s of silence" if idle else f"{request.timeout:g} s"
                    raise _sorted(error, f"the stream was cut after {limit}") from None
                yield chunk
                until = min(deadline, asyncio.get_running_loop().time() + self._idle_timeout)
        finally:
            await _close(chunks)

    def _too_large(self) -> WorkError:
        return WorkError(ErrorCode.BAD_RESPONSE, f"the answer is larger than {self._max_answer_bytes} bytes")


async def _close(chunks: AsyncIterator[Chunk]) -> None:
    if isinstance(chunks, AsyncGenerator):
        await chunks.aclose()


def _answer_bytes(completion: Completion) -> int:
    size = utf8_size(completion.text) + utf8_size(completion.reasoning)
    for call in completion.tool_calls:
        size += utf8_size(call.name) + utf8_size(call.arguments)
    return size


def _sorted(error: Exception, late: str) -> WorkError:
    """Return `error` as a WorkError. Only the type of an unknown one is told: its text may hold a key or a prompt."""
    if isinstance(error, WorkError):
        return error
    if isinstance(error, TimeoutError):
        return WorkError(ErrorCode.TIMEOUT, late)
    code = ErrorCode.CONNECTION if isinstance(error, OSError) else ErrorCode.BAD_RESPONSE
    return WorkError(code, f"the call failed inside the provider's client ({type(error).__name__})")
