"""The simulated provider: the same answers every time, errors that a retry can get past, times as set."""

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

from agents.llm.client import LLMClient
from agents.llm.providers.base import ProviderConfig
from agents.llm.providers.simulated.distributions import parse_distribution
from agents.llm.registry import provider_type
from agents.llm.tokens import estimate_tokens
from agents.llm.types import CompletionRequest, Message
from workers.errors import ErrorCode, WorkError

from .calls import ask, read_stream


def client() -> LLMClient:
    return LLMClient(provider_type("simulated").connect(ProviderConfig()))


def simulated(text: str = "Hello", *, model: str = "sim-small", limit: int | None = None, **settings: Any):
    parameters: dict[str, Any] = {"simulated": {"latency": 0, **settings}}
    return ask(text, model=model, parameters=parameters | ({"max_tokens": limit} if limit else {}))


async def test_two_clients_give_the_same_answer():
    first, second = await client().complete(simulated()), await client().complete(simulated())
    assert (first.text, first.usage, first.request_id) == (second.text, second.usage, second.request_id)


@pytest.mark.parametrize(
    "other", [simulated("Hello!"), simulated(model="sim-large"), simulated(seed=1)], ids=["message", "model", "seed"]
)
async def test_message_model_and_seed_change_the_answer(other: CompletionRequest):
    assert (await client().complete(simulated())).text != (await client().complete(other)).text


async def test_correlation_id_does_not_change_the_answer():
    request = CompletionRequest("sim-small", (Message("user", "Hello"),), (), simulated().parameters, None, 5, "run-9")
    assert (await client().complete(request)).text == (await client().complete(simulated())).text


@pytest.mark.parametrize("tokens", [1, 10, 500])
async def test_text_has_the_length_that_was_set(tokens: int):
    completion = await client().complete(simulated(output_tokens=tokens))
    assert tokens * 0.4 <= completion.usage.output_tokens <= tokens + 3
    assert completion.usage.output_tokens == estimate_tokens(completion.text)
    assert completion.text.endswith(".")


async def test_max_tokens_cuts_the_text():
    completion = await client().complete(simulated(output_tokens=500, limit=20))
    assert completion.usage.output_tokens <= 20
    assert completion.finish_reason == "length"


async def test_echo_is_the_last_user_message_to_the_letter():
    text = '  {"a": 1}\n\x00 =cmd \ud800 {{ticket}} '
    messages = (Message("system", "no"), Message("user", "no"), Message("assistant", "no"), Message("user", text))
    request = ask(messages=messages, parameters={"simulated": {"latency": 0, "reply": "echo"}, "max_tokens": 1})
    assert (await client().complete(request)).text == text
    texts, completion = await read_stream(client(), request)
    assert "".join(texts) == completion.text == text


async def test_conversation_without_a_user_is_answered():
    request = ask(messages=(Message("system", "Write something."),), parameters={"simulated": {"latency": 0}})
    assert (await client().complete(request)).text


async def test_errors_come_as_often_as_set_and_a_retry_gets_past_them():
    one = client()
    codes: Counter[str] = Counter()
    for number in range(300):
        for _ in range(50):
            try:
                await one.complete(simulated(f"row {number}", errors={"rate_limited": 0.2, "server_error": 0.1}))
            except WorkError as error:
                codes[error.code] += 1
            else:
                break
        else:
            pytest.fail("a retried call never went through")
    # Of n tries 0.7 succeed, so 300 successes come with about 86 and 43 errors.
    assert 55 < codes["rate_limited"] < 120
    assert 20 < codes["server_error"] < 70
    assert set(codes) == {"rate_limited", "server_error"}


async def test_errors_fall_at_the_same_places_for_the_same_order_of_calls():
    async def course(one: LLMClient) -> list[bool]:
        outcomes = []
        for number in range(50):
            try:
                await one.complete(simulated(f"row {number}", errors={"timeout": 0.5}))
                outcomes.append(True)
            except WorkError:
                outcomes.append(False)
        return outcomes

    first = await course(client())
    assert first == await course(client())
    assert 10 < sum(first) < 40


async def test_certain_error_tells_retry_after_only_where_one_is_usual():
    settings = {"errors": {"overloaded": 1, "retry_after": 2.5}}
    with pytest.raises(WorkError) as caught:
        await client().complete(simulated(**settings))
    assert (caught.value.code, caught.value.retry_after) == (ErrorCode.OVERLOADED, 2.5)
    with pytest.raises(WorkError) as caught:
        await client().complete(simulated(errors={"server_error": 1, "retry_after": 2.5}))
    assert caught.value.retry_after is None


async def test_call_and_stream_take_the_latency():
    request = simulated(latency=0.2)
    begun = time.monotonic()
    await client().complete(request)
    whole = time.monotonic() - begun
    begun = time.monotonic()
    moments = [time.monotonic() - begun async for _ in client().stream(request)]
    assert 0.19 < whole < 1
    assert 0.04 < moments[0] < moments[-1]
    assert 0.19 < moments[-1] < 1


async def test_tokens_per_second_sets_the_pace():
    request = simulated(latency=60, first_token=0, tokens_per_second=100, output_tokens=20)
    begun = time.monotonic()
    completion = await client().complete(request)
    seconds = time.monotonic() - begun
    assert completion.usage.output_tokens / 100 <= seconds < completion.usage.output_tokens / 100 + 1


async def test_thousands_of_calls_at_once_take_the_time_of_one():
    one = client()
    begun = time.monotonic()
    completions = await asyncio.gather(
        *(one.complete(simulated(f"row {number}", latency=1, reply="echo")) for number in range(2000))
    )
    assert time.monotonic() - begun < 6
    assert [completion.text for completion in completions] == [f"row {number}" for number in range(2000)]


@pytest.mark.parametrize(
    ("spec", "middle", "most"),
    [
        (3, 3, 3),
        ({"distribution": "fixed", "value": 2}, 2, 2),
        ({"distribution": "uniform", "low": 1, "high": 3}, 2, 3),
        ({"distribution": "lognormal", "median": 2, "sigma": 1, "max": 5}, 2, 5),
        ({"distribution": "exponential", "mean": 1}, 0.693, 100),
    ],
)
def test_distributions_have_the_median_and_bound_they_say(spec: Any, middle: float, most: float):
    distribution = parse_distribution("field", spec, 100)
    assert distribution.at(0.5) == pytest.approx(middle, rel=0.01)
    assert distribution.at(1 - 1e-12) <= most
    assert distribution.at(1e-12) >= 0


async def test_script_counts_steps_since_the_last_user_message():
    steps = [{"name": "now", "arguments": {}}]
    first = await client().complete(simulated("one", tool_calls=steps))
    history = (
        Message("user", "one"),
        Message("assistant", "", first.tool_calls),
        Message("tool", "noon", tool_call_id=first.tool_calls[0].id),
    )
    parameters = {"simulated": {"latency": 0, "tool_calls": steps}}
    last = await client().complete(ask(messages=history, parameters=parameters))
    assert last.text.startswith("The result is noon.")
    turn = (*history, Message("assistant", last.text), Message("user", "two"))
    again = await client().complete(ask(messages=turn, parameters=parameters))
    assert [call.name for call in again.tool_calls] == ["now"]


async def test_text_arguments_go_out_as_they_are():
    steps = [{"name": "calculator", "arguments": '{"expression": '}]
    completion = await client().complete(simulated(tool_calls=steps))
    assert completion.tool_calls[0].arguments == '{"expression": '


SCHEMA = {"type": "object", "properties": {"kind": {"enum": ["billing", "bug"]}}, "required": ["kind"]}


def asked_again(text: str, *before: Message, mismatch: float = 0.3) -> CompletionRequest:
    """Return a request with an output schema, whose answers break it at the given rate."""
    parameters = {"simulated": {"latency": 0, "mismatch": mismatch}}
    return ask(messages=(Message("user", text), *before), parameters=parameters, output_schema=SCHEMA)


async def test_answers_break_the_schema_as_often_as_set():
    answers = [(await client().complete(asked_again(f"bug {n}"))).text for n in range(400)]
    assert 80 < answers.count('["unexpected"]') < 160
    assert set(answers) == {'["unexpected"]', '{"kind":"bug"}'}


async def test_a_broken_answer_stays_broken_until_the_messages_change():
    broken = [n for n in range(40) if "unexpected" in (await client().complete(asked_again(f"bug {n}"))).text]
    assert broken
    assert all(["unexpected" in (await client().complete(asked_again(f"bug {n}"))).text for n in broken])
    told = (Message("assistant", '["unexpected"]'), Message("user", "Answer again."))
    mended = [(await client().complete(asked_again(f"bug {n}", *told))).text for n in broken]
    assert '{"kind":"bug"}' in mended


async def test_without_a_schema_nothing_is_broken():
    request = ask("Hello", parameters={"simulated": {"latency": 0, "mismatch": 1}})
    assert "unexpected" not in (await client().complete(request)).text
