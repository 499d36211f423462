"""What every provider has to pass, whole and streamed."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import jsonschema
import pytest

from agents.llm.types import ImagePart, Message, TextDelta, ToolSpec
from tests.support.provider_server import FakeServer
from workers.errors import ErrorCode, WorkError

from .calls import call, read_stream
from .conftest import connected
from .preset_rigs import MODELS, PresetRig
from .rigs import AnthropicRig, OpenAIRig, Rig, SimulatedRig

SCHEMA = {
    "type": "object",
    "properties": {"label": {"type": "string", "enum": ["billing", "technical"]}, "urgent": {"type": "boolean"}},
    "required": ["label", "urgent"],
    "additionalProperties": False,
}
CALCULATOR = ToolSpec("calculator", "Computes.", {"type": "object", "properties": {"expression": {"type": "string"}}})
# What the way of calling decides, and no dialect.
WAYS = pytest.mark.parametrize("rig", ["simulated", "openai", "openai-sdk", "anthropic"], indirect=True)
WITHOUT_SDK = pytest.mark.parametrize("rig", ["simulated", "openai", "anthropic", *MODELS], indirect=True)
PICTURE = ImagePart("data:image/png;base64,iVBORw0KGgo=")
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@pytest.fixture(params=["simulated", "openai", "openai-sdk", "anthropic", *MODELS])
async def rig(request: pytest.FixtureRequest, server: FakeServer) -> AsyncIterator[Rig]:
    made = await _rig(request, server)
    yield made
    await made.client.aclose()


async def _rig(request: pytest.FixtureRequest, server: FakeServer) -> Rig:
    match request.param:
        case "simulated":
            return SimulatedRig()
        case "openai":
            return OpenAIRig(connected(server), server)
        case "openai-sdk":
            return OpenAIRig(connected(server, through_sdk=True), server)
        case "anthropic":
            return AnthropicRig(connected(server, "anthropic"), server)
    return PresetRig(request.param, server)


@both_ways
async def test_answer_carries_text_usage_model_and_ids(rig: Rig, stream: bool):
    request = rig.request("Where is my parcel?", correlation_id="run-7")
    completion = await call(rig.client, request, stream=stream)
    assert completion.text == "Where is my parcel?"
    assert completion.tool_calls == ()
    assert completion.finish_reason == "stop"
    assert completion.model == request.model
    assert completion.request_id
    assert completion.usage.input_tokens > 0
    assert completion.usage.output_tokens > 0


async def test_streamed_pieces_are_the_whole(rig: Rig):
    text = "  One line.\n\nTwo lines, ünïcödé 漢字 🌳\t and a tail  "
    texts, completion = await read_stream(rig.client, rig.request(text))
    assert len(texts) > 1
    assert "".join(texts) == completion.text == text


@both_ways
async def test_tool_calls_come_before_the_answer(rig: Rig, stream: bool):
    rig.play([[{"name": "calculator", "arguments": {"expression": "6*7"}}, {"name": "now", "arguments": {}}]])
    first = await call(rig.client, rig.request("What is it?", tools=(CALCULATOR,)), stream=stream)
    assert [(made.name, json.loads(made.arguments)) for made in first.tool_calls] == [
        ("calculator", {"expression": "6*7"}),
        ("now", {}),
    ]
    assert len({made.id for made in first.tool_calls}) == 2
    assert first.finish_reason == "tool_calls"
    history = (
        Message("user", "What is it?"),
        Message("assistant", "", first.tool_calls, replay=first.replay),
        *(Message("tool", "42", tool_call_id=made.id) for made in first.tool_calls),
    )
    last = await call(rig.client, rig.request(messages=history, tools=(CALCULATOR,)), stream=stream)
    assert last.tool_calls == ()
    assert last.text == "What is it?"


@both_ways
async def test_settings_of_an_agent_are_taken(rig: Rig, stream: bool):
    request = rig.request("Hello", parameters=rig.parameters, tools=(CALCULATOR,))
    assert (await call(rig.client, request, stream=stream)).text == "Hello"


@both_ways
async def test_output_schema_is_answered_with_fitting_json(rig: Rig, stream: bool):
    rig.answer_schema('{"label": "billing", "urgent": true}')
    completion = await call(rig.client, rig.request("A billing error", output_schema=SCHEMA), stream=stream)
    answer = json.loads(completion.text)
    jsonschema.validate(answer, SCHEMA)
    assert answer["label"] == "billing"


@both_ways
async def test_schema_and_tools_go_together(rig: Rig, stream: bool):
    rig.answer_schema('{"label": "billing", "urgent": true}')
    request = rig.request("A billing error", output_schema=SCHEMA, tools=(CALCULATOR,))
    jsonschema.validate(json.loads((await call(rig.client, request, stream=stream)).text), SCHEMA)


@both_ways
async def test_images_are_taken(rig: Rig, stream: bool):
    message = Message("user", "What is this?", parts=("What is this?", PICTURE))
    assert (await call(rig.client, rig.request(messages=(message,)), stream=stream)).text == "What is this?"


@both_ways
async def test_thoughts_and_details_of_usage_are_told(rig: Rig, stream: bool):
    rig.think("Let me think about that.", tokens=700, cached_tokens=5)
    completion = await call(rig.client, rig.request("Hello there"), stream=stream)
    assert completion.reasoning == "Let me think about that."
    assert completion.text == "Hello there"
    told = (completion.usage.reasoning_tokens, completion.usage.cached_tokens)
    assert told == ((700, 5) if rig.tells_usage else (0, 0))
    assert completion.usage.output_tokens > (700 if rig.tells_usage else 7)


@both_ways
@pytest.mark.parametrize("code", list(OpenAIRig.faults))
async def test_errors_are_classified(rig: Rig, stream: bool, code: ErrorCode):
    rig.fail(code)
    with pytest.raises(WorkError) as caught:
        await call(rig.client, rig.request(), stream=stream)
    assert caught.value.code is code
    assert caught.value.message
    assert caught.value.retry_after == (7 if code in (ErrorCode.RATE_LIMITED, ErrorCode.OVERLOADED) else None)


@WAYS
@both_ways
async def test_request_timeout_bounds_the_call(rig: Rig, stream: bool):
    rig.slow_down(20)
    begun = time.monotonic()
    with pytest.raises(WorkError) as caught:
        await call(rig.client, rig.request(timeout=0.2), stream=stream)
    assert caught.value.code is ErrorCode.TIMEOUT
    assert time.monotonic() - begun < 2


@WAYS
@both_ways
async def test_cancellation_passes_at_once(rig: Rig, stream: bool):
    rig.slow_down(20)
    task = asyncio.create_task(call(rig.client, rig.request(), stream=stream))
    await asyncio.sleep(0.1)
    begun = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - begun < 1


@WAYS
async def test_stream_can_be_left_early(rig: Rig):
    async with aclosing(rig.client.stream(rig.request("one two three four five six seven eight nine"))) as chunks:
        first = await anext(chunks)
    assert isinstance(first, TextDelta)
    assert (await rig.client.complete(rig.request("still works"))).text == "still works"


@WAYS
async def test_calls_at_once_get_their_own_answers(rig: Rig):
    rig.slow_down(0.05)
    completions = await asyncio.gather(*(rig.client.complete(rig.request(f"row {number}")) for number in range(200)))
    assert [completion.text for completion in completions] == [f"row {number}" for number in range(200)]


@WITHOUT_SDK
async def test_models_are_listed(rig: Rig):
    models = await rig.client.list_models()
    assert len(models) == 2
    assert all(isinstance(name, str) for name in models)


@WITHOUT_SDK
async def test_every_input_gets_a_vector_of_its_own(rig: Rig):
    if not rig.has_embeddings:
        with pytest.raises(WorkError) as caught:
            await rig.client.embed(rig.embedding("parcel"))
        assert caught.value.code in (ErrorCode.INVALID_REQUEST, ErrorCode.NOT_FOUND)
        return
    embedding = await rig.client.embed(rig.embedding("parcel", "invoice", "parcel"))
    parcel, invoice, again = embedding.vectors
    assert parcel == again != invoice
    assert embedding.usage.input_tokens > 0
    assert embedding.usage.output_tokens == 0
    assert embedding.model
    assert (await rig.client.embed(rig.embedding("invoice"))).vectors == (invoice,)
    assert len({len(vector) for vector in embedding.vectors}) == 1


@WITHOUT_SDK
async def test_embeddings_have_the_dimensions_that_were_asked_for(rig: Rig):
    if not rig.has_embeddings:
        with pytest.raises(WorkError):
            await rig.client.embed(rig.embedding("parcel", parameters={"dimensions": 5}))
        return
    embedding = await rig.client.embed(rig.embedding("parcel", parameters={"dimensions": 5}))
    assert [len(vector) for vector in embedding.vectors] == [5]


@pytest.mark.parametrize("rig", ["simulated", "openai"], indirect=True)
@pytest.mark.parametrize("code", list(OpenAIRig.faults))
async def test_errors_of_embeddings_are_classified(rig: Rig, code: ErrorCode):
    rig.fail(code)
    with pytest.raises(WorkError) as caught:
        await rig.client.embed(rig.embedding("parcel"))
    assert caught.value.code is code
