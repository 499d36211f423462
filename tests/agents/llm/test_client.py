"""What the client adds to every provider: time, size, sorted errors."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest

from agents.llm.client import LLMClient
from agents.llm.types import Chunk, Completion, CompletionRequest, TextDelta, ToolCall
from workers.errors import ErrorCode, WorkError

from .calls import ask, call, read_stream

Step = Chunk | float | Exception


class PlayedProvider:
    """A provider that plays steps: a chunk is yielded, a number slept, an exception raised."""

    def __init__(self, *steps: Step) -> None:
        self.steps: Sequence[Step] = steps
        self.is_closed = False
        self.streams_closed = 0

    async def complete(self, request: CompletionRequest) -> Completion:
        async for chunk in self.stream(request):
            if isinstance(chunk, Completion):
                return chunk
        raise AssertionError("no completion was played")

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        try:
            for step in self.steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield step
        finally:
            self.streams_closed += 1

    async def list_models(self) -> list[str]:
        await self.complete(ask())
        return []

    async def aclose(self) -> None:
        self.is_closed = True


async def failure(provider: PlayedProvider, *, stream: bool, within: float = 5.0, **options: float) -> WorkError:
    with pytest.raises(WorkError) as caught:
        await call(LLMClient(provider, **options), ask(timeout=within), stream=stream)
    return caught.value


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (RuntimeError("sk-secret"), ErrorCode.BAD_RESPONSE),
        (KeyError("sk-secret"), ErrorCode.BAD_RESPONSE),
        (ConnectionResetError("sk-secret"), ErrorCode.CONNECTION),
        (OSError("sk-secret"), ErrorCode.CONNECTION),
        (TimeoutError("sk-secret"), ErrorCode.TIMEOUT),
    ],
)
async def test_unclassified_exception_is_sorted_and_its_text_withheld(raised: Exception, code: ErrorCode, stream: bool):
    error = await failure(PlayedProvider(raised), stream=stream)
    assert error.code is code
    assert "sk-secret" not in str(error)
    assert error.__suppress_context__


@pytest.mark.parametrize("stream", [False, True])
async def test_classified_error_passes_unchanged(stream: bool):
    raised = WorkError(ErrorCode.RATE_LIMITED, "slow down", retry_after=3)
    assert await failure(PlayedProvider(raised), stream=stream) is raised


async def test_silence_within_a_stream_is_cut():
    begun = time.monotonic()
    provider = PlayedProvider(TextDelta("a"), 20.0)
    error = await failure(provider, stream=True, idle_timeout=0.1)
    assert error.code is ErrorCode.TIMEOUT
    assert "0.1 s of silence" in error.message
    assert time.monotonic() - begun < 2
    assert provider.streams_closed == 1


async def test_waiting_for_the_first_sign_of_life_is_bounded_by_the_request_alone():
    provider = PlayedProvider(0.2, TextDelta("a"), Completion("a"))
    texts, _ = await read_stream(LLMClient(provider, idle_timeout=0.05), ask())
    assert texts == ["a"]
    error = await failure(PlayedProvider(20.0), stream=True, within=0.1, idle_timeout=0.05)
    assert error.code is ErrorCode.TIMEOUT


async def test_empty_pieces_keep_a_stream_alive_and_are_not_passed_on():
    provider = PlayedProvider(*[TextDelta(""), 0.15] * 4, Completion("done"))
    texts, completion = await read_stream(LLMClient(provider, idle_timeout=0.45), ask())
    assert texts == []
    assert completion.text == "done"


async def test_lively_stream_ends_at_the_request_timeout():
    provider = PlayedProvider(*[TextDelta("a"), 0.05] * 100)
    error = await failure(provider, stream=True, within=0.3, idle_timeout=0.2)
    assert error.code is ErrorCode.TIMEOUT
    assert provider.streams_closed == 1


async def test_stream_without_its_end_is_a_bad_response():
    error = await failure(PlayedProvider(TextDelta("half")), stream=True)
    assert error.code is ErrorCode.BAD_RESPONSE


async def test_nothing_follows_the_completion():
    provider = PlayedProvider(Completion("a"), TextDelta("b"), Completion("c"))
    _, completion = await read_stream(LLMClient(provider), ask())
    assert completion.text == "a"
    assert provider.streams_closed == 1


@pytest.mark.parametrize(
    "steps",
    [
        (Completion("x" * 101),),
        (Completion("漢" * 34),),
        (Completion("", (ToolCall("1", "name", "x" * 97),)),),
    ],
    ids=["text", "bytes not characters", "tool calls"],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_answer_beyond_the_bound_is_a_bad_response(steps: Sequence[Step], stream: bool):
    error = await failure(PlayedProvider(*steps), stream=stream, max_answer_bytes=100)
    assert error.code is ErrorCode.BAD_RESPONSE
    assert "100 bytes" in error.message


async def test_endless_text_is_cut_while_it_streams():
    provider = PlayedProvider(*[TextDelta("x" * 40)] * 3, RuntimeError("read on"))
    error = await failure(provider, stream=True, max_answer_bytes=100)
    assert "100 bytes" in error.message


async def test_answer_of_just_the_bound_passes():
    completion = await LLMClient(PlayedProvider(Completion("x" * 100)), max_answer_bytes=100).complete(ask())
    assert len(completion.text) == 100


async def test_stream_left_early_is_closed_at_the_provider():
    provider = PlayedProvider(TextDelta("a"), TextDelta("b"), Completion("ab"))
    async with aclosing(LLMClient(provider).stream(ask())) as chunks:
        await anext(chunks)
    assert provider.streams_closed == 1


async def test_cancelled_stream_is_closed_at_the_provider():
    provider = PlayedProvider(TextDelta("a"), 20.0)
    task = asyncio.create_task(read_stream(LLMClient(provider), ask()))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert provider.streams_closed == 1


async def test_listing_models_is_bounded():
    with pytest.raises(WorkError) as caught:
        await LLMClient(PlayedProvider(20.0), idle_timeout=0.05).list_models()
    assert caught.value.code is ErrorCode.TIMEOUT


async def test_closing_closes_the_provider():
    provider = PlayedProvider()
    await LLMClient(provider).aclose()
    assert provider.is_closed
