"""Completions with the real client and curl: through the web process, a worker and a provider's server."""

import json
import threading
import time

import openai
import pytest

from batches.models import Run
from batches.runs import cancel_run
from batches.states import RunState
from credentials.models import Credential
from tests.support.api_user import ApiUser
from tests.support.factories import make_agent
from tests.support.provider_server import ProviderServer
from tests.support.waiting import wait_for

pytestmark = pytest.mark.worker
SAY_HI = [{"role": "user", "content": "Hi there"}]
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


def test_a_plain_completion_has_all_that_openais_has(
    api: ApiUser, credential: Credential, provider: ProviderServer
) -> None:
    provider.configure(cached_tokens=3, reasoning_tokens=2)
    answer = api.client().chat.completions.create(model="acme/fake-small", messages=SAY_HI, temperature=0)
    run = Run.objects.get()
    assert answer.id == f"chatcmpl-{run.pk}"
    assert (answer.object, answer.model) == ("chat.completion", "acme/fake-small")
    assert abs(answer.created - time.time()) < 60
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", "Hi there", "stop")
    assert choice.message.tool_calls is None
    usage = answer.usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (run.input_tokens, run.output_tokens)
    assert usage.total_tokens == run.input_tokens + run.output_tokens > 0
    assert usage.prompt_tokens_details.cached_tokens == 3
    assert usage.completion_tokens_details.reasoning_tokens == 2
    expected = {"run_id": run.pk, "cost": float(run.cost), "model": "acme/fake-small", "version": None}
    assert answer.model_extra["arboretum"] == expected
    assert (run.state, run.output, run.owner) == (RunState.SUCCEEDED, "Hi there", api.user)


async def test_the_asynchronous_client_is_served_alike(api: ApiUser, credential: Credential) -> None:
    async with api.async_client() as client:
        answer = await client.chat.completions.create(model="acme/fake-small", messages=SAY_HI)
        assert answer.choices[0].message.content == "Hi there"
        stream = await client.chat.completions.create(model="acme/fake-small", messages=SAY_HI, stream=True)
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "Hi there"


def test_tools_of_the_caller_reach_the_model_and_its_calls_come_back(
    api: ApiUser, credential: Credential, provider: ProviderServer
) -> None:
    provider.configure(tool_calls=[[{"name": "look", "arguments": {"at": "stars"}}]])
    answer = api.client().chat.completions.create(model="acme/fake-small", messages=SAY_HI, tools=[TOOL])
    (choice,) = answer.choices
    (call,) = choice.message.tool_calls
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert (call.type, call.function.name) == ("function", "look")
    assert "stars" in call.function.arguments
    assert call.id


def test_an_agent_answers_by_its_version(api: ApiUser, provider: ProviderServer, credential: Credential) -> None:
    make_agent(
        api.user, slug="greeter", credential=credential, model="fake-small", parameters={}, instructions="Greet."
    )
    answer = api.client().chat.completions.create(model="agent:greeter@1", messages=SAY_HI)
    assert answer.choices[0].message.content == "Hi there"
    assert answer.model == "agent:greeter@1"
    extension = answer.model_extra["arboretum"]
    assert (extension["version"], extension["model"]) == ("greeter@1", "acme/fake-small")


def test_a_stream_comes_in_pieces_with_the_role_first_and_the_usage_last(
    api: ApiUser, credential: Credential, provider: ProviderServer
) -> None:
    provider.configure(chunk_size=2, chunk_delay=0.05)
    stream = api.client().chat.completions.create(
        model="acme/fake-small", messages=SAY_HI, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    run = Run.objects.get()
    assert {chunk.id for chunk in chunks} == {f"chatcmpl-{run.pk}"}
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[0].choices[0].delta.role == "assistant"
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(texts) > 2
    assert "".join(texts) == "Hi there" == run.output
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    assert reasons == [None] * (len(reasons) - 1) + ["stop"]
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert (chunks[-1].choices, chunks[-1].usage.prompt_tokens) == ([], run.input_tokens)


def test_a_form_is_streamed_piece_by_piece_on_a_plain_model(
    api: ApiUser, credential: Credential, provider: ProviderServer
) -> None:
    provider.configure(reply="fixed", text='{"words": "one two three four five six"}', chunk_size=4, chunk_delay=0.05)
    stream = api.client().chat.completions.create(
        model="acme/fake-small", messages=SAY_HI, response_format={"type": "json_object"}, stream=True
    )
    pieces = [piece for chunk in stream if (piece := chunk.choices[0].delta.content)]
    assert json.loads("".join(pieces)) == {"words": "one two three four five six"}
    assert len(pieces) > 1


def test_tool_calls_come_in_a_stream_too(api: ApiUser, credential: Credential, provider: ProviderServer) -> None:
    provider.configure(tool_calls=[[{"name": "look", "arguments": {}}, {"name": "look", "arguments": {"a": 1}}]])
    stream = api.client().chat.completions.create(model="acme/fake-small", messages=SAY_HI, tools=[TOOL], stream=True)
    calls = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or ()]
    assert [(call.index, call.function.name) for call in calls] == [(0, "look"), (1, "look")]


def test_curl_reads_server_sent_events(api: ApiUser, credential: Credential) -> None:
    body = '{"model": "acme/fake-small", "messages": [{"role": "user", "content": "Hi"}], "stream": true}'
    text = api.curl("/v1/chat/completions", "-N", "-i", "-H", "Content-Type: application/json", "-d", body)
    head, _, events = text.partition("\r\n\r\n")
    assert "content-type: text/event-stream" in head.lower()
    assert f"x-arboretum-run: {Run.objects.get().pk}" in head.lower()
    lines = [line for line in events.split("\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_who_goes_away_cancels_the_run_and_its_call(
    api: ApiUser, credential: Credential, provider: ProviderServer, stream: bool
) -> None:
    provider.configure(latency=30.0)
    began = time.monotonic()
    with pytest.raises(openai.APITimeoutError):
        api.client(timeout=1.0).chat.completions.create(model="acme/fake-small", messages=SAY_HI, stream=stream)
    wait_for(lambda: Run.objects.get().state == RunState.CANCELLED, 5, "the run to be cancelled")
    wait_for(lambda: provider.stats()["in_flight"] == 0, 2, "the call to be cut")
    assert time.monotonic() - began < 4
    assert provider.stats()["aborted"] == 1


def test_a_stream_that_is_closed_cancels_the_run_and_its_call(
    api: ApiUser, credential: Credential, provider: ProviderServer
) -> None:
    provider.configure(chunk_size=1, chunk_delay=0.5, reply="fixed", text="x" * 100)
    with api.client().chat.completions.create(model="acme/fake-small", messages=SAY_HI, stream=True) as stream:
        for chunk in stream:
            if chunk.choices[0].delta.content:
                break
    wait_for(lambda: Run.objects.get().state == RunState.CANCELLED, 2, "the run to be cancelled")
    wait_for(lambda: provider.stats()["in_flight"] == 0, 2, "the call to be cut")


def test_a_run_that_somebody_cancels_is_told_to_its_caller(
    api: ApiUser, credential: Credential, provider: ProviderServer
) -> None:
    provider.configure(latency=30.0)
    errors: list[openai.APIStatusError] = []

    def ask() -> None:
        try:
            api.client().chat.completions.create(model="acme/fake-small", messages=SAY_HI)
        except openai.APIStatusError as error:
            errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    wait_for(lambda: provider.stats()["in_flight"] == 1, 10, "the call to begin")
    cancel_run(api.user, Run.objects.get().pk)
    asking.join(5)
    assert [(error.status_code, error.code) for error in errors] == [(409, "cancelled")]


@pytest.mark.parametrize(
    ("fault", "raised", "code"),
    [
        ("context_length", openai.BadRequestError, "context_length_exceeded"),
        ("content_policy", openai.BadRequestError, "content_policy_violation"),
        ("bad_request", openai.BadRequestError, "invalid_request"),
        ("not_found", openai.NotFoundError, "model_not_found"),
        ("invalid_key", openai.InternalServerError, "invalid_key"),
        ("quota", openai.InternalServerError, "quota_exhausted"),
        ("server_error", openai.InternalServerError, "server_error"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_the_provider_refuses_raises_the_right_class_and_is_not_tried_again(
    api: ApiUser,
    credential: Credential,
    provider: ProviderServer,
    fault: str,
    raised: type[openai.APIStatusError],
    code: str,
    stream: bool,
) -> None:
    make_agent(api.user, slug="once", credential=credential, model="fake-small", parameters={}, retry={"max_tries": 1})
    provider.configure(faults={fault: 1.0}, retry_after=0.1)
    client = api.client(max_retries=2)
    with pytest.raises(raised) as caught:
        client.chat.completions.create(model="agent:once", messages=SAY_HI, stream=stream)
    assert caught.value.code == code
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert Run.objects.count() == 1


def test_an_error_in_mid_stream_reaches_the_client_and_ends_the_run(
    api: ApiUser, credential: Credential, provider: ProviderServer
) -> None:
    provider.configure(faults={"reset_midway": 1.0}, chunk_size=2, reply="fixed", text="a long answer " * 20)
    stream = api.client().chat.completions.create(model="acme/fake-small", messages=SAY_HI, stream=True)
    texts: list[str] = []
    with pytest.raises(openai.APIError, match="broke off"):
        texts.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    wait_for(lambda: Run.objects.get().state == RunState.CANCELLED, 5, "the run to be cancelled")


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"messages": SAY_HI}, "model", "missing_required_parameter"),
        ({"model": "acme/fake-small", "messages": "Hi"}, "messages", None),
        ({"model": "acme/fake-small", "messages": SAY_HI, "stream": "yes"}, "stream", None),
        ({"model": "acme/fake-small", "messages": SAY_HI, "stream_options": {}}, "stream_options", None),
        ({"model": "acme/fake-small", "messages": SAY_HI, "n": 2}, "n", None),
        ({"model": "nonsense", "messages": SAY_HI}, "model", None),
    ],
)
def test_a_wrong_request_names_the_parameter_and_starts_nothing(
    api: ApiUser, credential: Credential, body: dict, param: str, code: str | None
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        api.client().post("/chat/completions", body=body, cast_to=object)
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    if code is not None:
        assert caught.value.code == code
    assert not Run.objects.exists()


def test_a_model_that_the_caller_may_not_see_does_not_exist(api: ApiUser, credential: Credential) -> None:
    make_agent(api.user, slug="mine", credential=credential)
    stranger = api.another().client()
    for name in ("acme/fake-small", "agent:mine", "agent:none", "none/x"):
        with pytest.raises(openai.NotFoundError) as caught:
            stranger.chat.completions.create(model=name, messages=SAY_HI)
        assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.PermissionDeniedError):
        api.another("agents:read", same_user=True).client().chat.completions.create(
            model="acme/fake-small", messages=SAY_HI
        )
    assert not Run.objects.exists()


def test_a_key_runs_once_and_cannot_go_with_a_stream(api: ApiUser, credential: Credential) -> None:
    key = {"Idempotency-Key": "k1"}
    create = api.client().chat.completions.with_raw_response.create
    first, second = (create(model="acme/fake-small", messages=SAY_HI, extra_headers=key) for _ in range(2))
    assert (second.text, second.headers["idempotent-replayed"]) == (first.text, "true")
    assert second.headers["x-arboretum-run"] == first.headers["x-arboretum-run"]
    assert Run.objects.count() == 1
    with pytest.raises(openai.BadRequestError, match="came with another request"):
        create(model="acme/fake-small", messages=[], extra_headers=key)
    with pytest.raises(openai.BadRequestError, match="streamed"):
        create(model="acme/fake-small", messages=SAY_HI, stream=True, extra_headers={"Idempotency-Key": "k2"})
    assert Run.objects.count() == 1


def test_limits_in_force_are_told_in_headers(api: ApiUser, credential: Credential) -> None:
    credential.models.create(name="fake-small", requests_per_minute=600, tokens_per_minute=1_000)
    raw = api.client().chat.completions.with_raw_response.create(model="acme/fake-small", messages=SAY_HI)
    headers = raw.headers
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-limit-tokens"]) == ("600", "1000")
    assert 0 < int(headers["x-ratelimit-remaining-requests"]) <= 600
    assert 0 < int(headers["x-ratelimit-remaining-tokens"]) < 1_000
    assert headers["x-ratelimit-reset-tokens"].endswith("s")
