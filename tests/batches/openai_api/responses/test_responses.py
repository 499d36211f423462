"""Responses with the real client and curl: through the web process, a worker and a provider's server."""

import time

import openai
import pytest
from pydantic import BaseModel

from batches.models import Run
from batches.models.batch import InputKind
from batches.states import RunState
from credentials.models import Credential
from tests.support.api_user import ApiUser
from tests.support.factories import make_agent, make_credential
from tests.support.provider_server import ProviderServer
from tests.support.waiting import wait_for

pytestmark = pytest.mark.worker
MODEL = "acme/fake-small"
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}, "strict": False}


class Answer(BaseModel):
    """A form of answers."""

    name: str
    size: int


def test_a_response_has_all_that_openais_has(api: ApiUser, credential: Credential, provider: ProviderServer) -> None:
    provider.configure(cached_tokens=3, reasoning_tokens=2)
    answer = api.client().responses.create(model=MODEL, input="Hi there", instructions="Be brief.", temperature=0)
    run = Run.objects.get()
    assert (answer.id, answer.object, answer.model) == (f"resp_{run.pk}", "response", MODEL)
    assert (answer.status, answer.output_text, answer.error) == ("completed", "Hi there", None)
    assert (answer.instructions, answer.temperature, answer.tools) == ("Be brief.", 0, [])
    assert abs(answer.created_at - time.time()) < 60
    assert answer.created_at <= answer.completed_at
    usage = answer.usage
    assert (usage.input_tokens, usage.output_tokens) == (run.input_tokens, run.output_tokens)
    assert (usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens) == (3, 2)
    expected = {"run_id": run.pk, "cost": float(run.cost), "model": MODEL, "version": None}
    assert answer.model_extra["arboretum"] == expected
    assert (run.state, run.input_kind, run.owner) == (RunState.SUCCEEDED, InputKind.RESPONSES, api.user)
    assert api.client().responses.retrieve(answer.id) == answer


async def test_the_asynchronous_client_is_served_alike(api: ApiUser, credential: Credential) -> None:
    async with api.async_client() as client:
        answer = await client.responses.create(model=MODEL, input=[{"role": "user", "content": "Hi there"}])
        assert answer.output_text == "Hi there"
        async with client.responses.stream(model=MODEL, input="Hi there") as stream:
            assert (await stream.get_final_response()).output_text == "Hi there"
        assert (await client.responses.retrieve(answer.id)).output_text == "Hi there"
        assert [item.id async for item in client.responses.input_items.list(answer.id)]
        await client.responses.delete(answer.id)


def test_a_stream_is_the_same_response_in_pieces(
    api: ApiUser, credential: Credential, provider: ProviderServer
) -> None:
    provider.configure(chunk_size=2, chunk_delay=0.05)
    client = api.client()
    events = list(client.responses.create(model=MODEL, input="Hi there", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 2
    last = events[-1]
    assert (last.type, "".join(deltas), last.response.output_text) == ("response.completed", "Hi there", "Hi there")
    again = client.responses.retrieve(last.response.id)
    assert again.model_copy(update={"completed_at": None}) == last.response.model_copy(update={"completed_at": None})
    with client.responses.stream(model=MODEL, input="Hi there") as stream:
        assert "".join(event.delta for event in stream if event.type == "response.output_text.delta") == "Hi there"
        assert stream.get_final_response().status == "completed"


def test_curl_reads_the_events(api: ApiUser, credential: Credential) -> None:
    body = f'{{"model": "{MODEL}", "input": "Hi", "stream": true}}'
    text = api.curl("/v1/responses", "-N", "-i", "-H", "Content-Type: application/json", "-d", body)
    head, _, events = text.partition("\r\n\r\n")
    assert "content-type: text/event-stream" in head.lower()
    assert f"x-arboretum-run: {Run.objects.get().pk}" in head.lower()
    lines = [line.partition(": ")[0] for line in events.split("\n") if line]
    assert lines == ["event", "data"] * (len(lines) // 2)
    assert "event: response.completed" in events


def test_calls_of_tools_go_to_the_caller_and_their_results_go_on_from_there(
    api: ApiUser, credential: Credential, provider: ProviderServer
) -> None:
    provider.configure(tool_calls=[[{"name": "look", "arguments": {"at": "stars"}}]])
    client = api.client()
    asked = client.responses.create(model=MODEL, input="What is up?", tools=[TOOL])
    (call,) = asked.output
    assert (call.type, call.name, call.arguments) == ("function_call", "look", '{"at":"stars"}')
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "bright"}
    answer = client.responses.create(model=MODEL, previous_response_id=asked.id, input=[result], tools=[TOOL])
    assert answer.previous_response_id == asked.id
    messages = Run.objects.get(pk=int(answer.id.removeprefix("resp_"))).input["chat"]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    assert messages[1]["tool_calls"][0]["id"] == messages[2]["tool_call_id"] == call.call_id
    by_hand = client.responses.create(
        model=MODEL, input=[{"role": "user", "content": "What is up?"}, call.model_dump(exclude_none=True), result]
    )
    assert Run.objects.get(pk=int(by_hand.id.removeprefix("resp_"))).input["chat"]["messages"] == messages


def test_calls_of_tools_are_streamed(api: ApiUser, credential: Credential, provider: ProviderServer) -> None:
    provider.configure(tool_calls=[[{"name": "look", "arguments": {}}, {"name": "look", "arguments": {"a": 1}}]])
    with api.client().responses.stream(model=MODEL, input="Hi", tools=[TOOL]) as stream:
        done = [event.arguments for event in stream if event.type == "response.function_call_arguments.done"]
        assert done == ["{}", '{"a":1}']
        assert [item.type for item in stream.get_final_response().output] == ["function_call"] * 2


def test_structured_answers_are_parsed(api: ApiUser, credential: Credential, provider: ProviderServer) -> None:
    provider.configure(reply="fixed", text='{"name": "oak", "size": 12}')
    parsed = api.client().responses.parse(model=MODEL, input="A tree?", text_format=Answer)
    assert parsed.output_parsed == Answer(name="oak", size=12)
    sent = Run.objects.get().input["chat"]["response_format"]
    assert (sent["type"], sent["json_schema"]["name"], sent["json_schema"]["strict"]) == ("json_schema", "Answer", True)
    with api.client().responses.stream(model=MODEL, input="A tree?", text_format=Answer) as stream:
        assert stream.get_final_response().output_parsed == Answer(name="oak", size=12)


def test_an_agent_answers_by_its_version_behind_its_own_instructions(
    api: ApiUser, credential: Credential, provider: ProviderServer
) -> None:
    make_agent(api.user, slug="greeter", credential=credential, model="fake-small", parameters={}, instructions="Own.")
    client = api.client()
    answer = client.responses.create(model="agent:greeter", input="Hi there", instructions="Given.")
    assert (answer.output_text, answer.model_extra["arboretum"]["version"]) == ("Hi there", "greeter@1")
    for changed, param in (
        ({"tools": [TOOL]}, "tools"),
        ({"text": {"format": {"type": "json_object"}}}, "text.format"),
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model="agent:greeter", input="Hi", **changed)
        assert caught.value.param == param


def test_a_conversation_goes_on_without_the_instructions_of_the_last_response(
    api: ApiUser, credential: Credential
) -> None:
    client = api.client()
    first = client.responses.create(model=MODEL, input="One", instructions="Old.")
    second = client.responses.create(model=MODEL, input="Two", instructions="New.", previous_response_id=first.id)
    third = client.responses.create(
        model=MODEL,
        input=[{"type": "item_reference", "id": first.output[0].id}, {"role": "user", "content": "Three"}],
        previous_response_id=second.id,
    )
    messages = Run.objects.get(pk=int(third.id.removeprefix("resp_"))).input["chat"]["messages"]
    assert [message["content"] for message in messages] == ["One", "One", "Two", "Two", "One", "Three"]


def test_nobody_goes_on_from_what_is_not_his_or_not_kept_or_has_no_answer(
    api: ApiUser, credential: Credential, provider: ProviderServer
) -> None:
    client = api.client()
    mine = client.responses.create(model=MODEL, input="Hi")
    forgotten = client.responses.create(model=MODEL, input="Hi", store=False)
    stranger = api.another()
    provider.configure(latency=30.0)
    waiting = client.responses.create(model=MODEL, input="Hi", background=True)
    cases = [
        (stranger.client(), mine.id),
        (client, forgotten.id),
        (client, "resp_7"),
        (client, waiting.id),
        (client, "x"),
    ]
    theirs = make_credential(stranger.user, name="theirs", base_url=credential.base_url, key="sk-test")
    make_agent(stranger.user, slug="theirs", credential=theirs)
    for caller, name in cases:
        model = MODEL if caller is client else "agent:theirs"
        with pytest.raises(openai.BadRequestError) as caught:
            caller.responses.create(model=model, input="Hi", previous_response_id=name)
        assert caught.value.param == "previous_response_id"
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input=[{"type": "item_reference", "id": "msg_7"}])
    assert caught.value.param == "input[0].id"
    client.responses.cancel(waiting.id)


def test_a_stored_response_is_for_its_owner_until_it_is_deleted(api: ApiUser, credential: Credential) -> None:
    client = api.client()
    kept = client.responses.create(model=MODEL, input="Hi")
    forgotten = client.responses.create(model=MODEL, input="Hi", store=False)
    assert (client.responses.retrieve(kept.id).output_text, forgotten.output_text) == ("Hi", "Hi")
    stranger = api.another().client()
    for caller, name in ((stranger, kept.id), (client, forgotten.id), (client, "resp_7"), (client, "chatcmpl-7")):
        for call in (caller.responses.retrieve, caller.responses.cancel, caller.responses.delete):
            with pytest.raises(openai.NotFoundError):
                call(name)
        with pytest.raises(openai.NotFoundError):
            caller.responses.input_items.list(name)
    client.responses.delete(kept.id)
    for call in (client.responses.retrieve, client.responses.delete):
        with pytest.raises(openai.NotFoundError):
            call(kept.id)
    assert Run.objects.filter(state=RunState.SUCCEEDED).count() == 2


def test_in_the_background_it_is_asked_for_until_it_is_there(
    api: ApiUser, credential: Credential, provider: ProviderServer
) -> None:
    provider.configure(latency=1.0)
    client = api.client()
    began = time.monotonic()
    queued = client.responses.create(model=MODEL, input="Hi", background=True)
    assert (queued.status, queued.output, queued.background) == ("queued", [], True)
    assert time.monotonic() - began < 0.9
    wait_for(lambda: _status(client, queued.id) == "completed", 10, "the response")
    found = client.responses.retrieve(queued.id)
    assert (found.status, found.output_text, found.created_at) == ("completed", "Hi", queued.created_at)


def _status(client: openai.OpenAI, name: str) -> str:
    status = client.responses.retrieve(name).status
    assert status in ("queued", "in_progress", "completed")
    return status


def test_a_stream_in_the_background_outlives_its_listener_who_may_come_back(
    api: ApiUser, credential: Credential, provider: ProviderServer
) -> None:
    provider.configure(chunk_size=1, chunk_delay=0.1, reply="fixed", text="x" * 20)
    client = api.client()
    heard = []
    with client.responses.create(model=MODEL, input="Hi", background=True, stream=True) as stream:
        for event in stream:
            heard.append(event)
            if event.type == "response.output_text.delta":
                break
    name = heard[0].response.id
    rest = list(client.responses.retrieve(name, stream=True, starting_after=heard[-1].sequence_number))
    assert [event.sequence_number for event in heard + rest] == list(range(len(heard + rest)))
    text = "".join(event.delta for event in heard + rest if event.type == "response.output_text.delta")
    assert text == rest[-1].response.output_text == "x" * 20
    (last,) = client.responses.retrieve(name, stream=True, starting_after=1000)
    assert last.response.output_text == text
    assert client.responses.retrieve(name).status == "completed"


def test_a_response_is_cancelled_and_its_call_is_cut(
    api: ApiUser, credential: Credential, provider: ProviderServer
) -> None:
    provider.configure(latency=30.0)
    client = api.client()
    queued = client.responses.create(model=MODEL, input="Hi", background=True)
    wait_for(lambda: provider.stats()["in_flight"] == 1, 10, "the call to begin")
    for _ in range(2):
        assert client.responses.cancel(queued.id).status == "cancelled"
    wait_for(lambda: provider.stats()["in_flight"] == 0, 2, "the call to be cut")
    deleted = client.responses.create(model=MODEL, input="Hi", background=True)
    client.responses.delete(deleted.id)
    assert set(Run.objects.values_list("state", flat=True)) == {RunState.CANCELLED}


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_who_goes_away_cancels_the_run(
    api: ApiUser, credential: Credential, provider: ProviderServer, stream: bool
) -> None:
    provider.configure(latency=30.0)
    with pytest.raises(openai.APITimeoutError):
        api.client(timeout=1.0).responses.create(model=MODEL, input="Hi", stream=stream)
    wait_for(lambda: Run.objects.get().state == RunState.CANCELLED, 5, "the run to be cancelled")
    wait_for(lambda: provider.stats()["in_flight"] == 0, 2, "the call to be cut")


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_provider_refuses_raises_the_right_class(
    api: ApiUser, credential: Credential, provider: ProviderServer, stream: bool
) -> None:
    provider.configure(faults={"context_length": 1.0})
    client = api.client(max_retries=2)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="Hi", stream=stream)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input")
    failed = client.responses.retrieve(f"resp_{Run.objects.get().pk}")
    assert (failed.status, failed.error.code, failed.output) == ("failed", "invalid_prompt", [])


def test_an_answer_that_breaks_off_fails_its_stream_and_ends_the_run(
    api: ApiUser, credential: Credential, provider: ProviderServer
) -> None:
    provider.configure(faults={"reset_midway": 1.0}, chunk_size=2, reply="fixed", text="a long answer " * 20)
    events = list(api.client().responses.create(model=MODEL, input="Hi", stream=True))
    assert (events[-1].type, events[-1].response.status) == ("response.failed", "failed")
    assert "broke off" in events[-1].response.error.message
    wait_for(lambda: Run.objects.get().state == RunState.CANCELLED, 5, "the run to be cancelled")


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"input": "Hi"}, "model", "missing_required_parameter"),
        ({"model": MODEL}, "input", "missing_required_parameter"),
        ({"model": MODEL, "input": "Hi", "max_output_tokens": 0}, "max_output_tokens", None),
        ({"model": MODEL, "input": "Hi", "tools": [{"type": "web_search"}]}, "tools[0].type", None),
        ({"model": MODEL, "input": "Hi", "conversation": "conv_1"}, "conversation", None),
        ({"model": MODEL, "input": "Hi", "previous_response_id": "resp_1"}, None, "previous_response_not_found"),
    ],
)
def test_a_wrong_request_names_the_parameter_and_starts_nothing(
    api: ApiUser, credential: Credential, body: dict, param: str | None, code: str | None
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        api.client().post("/responses", body=body, cast_to=object)
    assert caught.value.type == "invalid_request_error"
    assert caught.value.param == (param or "previous_response_id")
    assert code is None or caught.value.code == code
    assert not Run.objects.exists()


def test_the_input_is_listed_in_pages(api: ApiUser, credential: Credential) -> None:
    client = api.client()
    given = [{"role": "user", "content": f"{number}"} for number in range(3)]
    answer = client.responses.create(model=MODEL, input=given)
    listed = list(client.responses.input_items.list(answer.id, limit=2))
    assert [item.content[0].text for item in listed] == ["2", "1", "0"]
    page = client.responses.input_items.list(answer.id, order="asc", limit=2)
    assert ([item.content[0].text for item in page.data], page.has_more) == (["0", "1"], True)
    assert [item.content[0].text for item in page.get_next_page().data] == ["2"]
    for changed in ({"limit": 0}, {"limit": 101}, {"order": "up"}, {"after": "msg_1"}):
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.input_items.list(answer.id, **changed)
        assert [caught.value.param] == list(changed)


def test_each_scope_does_its_own(api: ApiUser, credential: Credential) -> None:
    answer = api.client().responses.create(model=MODEL, input="Hi")
    reader = api.another("runs:read", same_user=True).client().responses
    writer = api.another("runs:write", same_user=True).client().responses
    assert reader.retrieve(answer.id).id == answer.id
    assert list(reader.input_items.list(answer.id))
    refused = [
        lambda: reader.create(model=MODEL, input="Hi"),
        lambda: reader.cancel(answer.id),
        lambda: reader.delete(answer.id),
        lambda: writer.retrieve(answer.id),
        lambda: writer.input_items.list(answer.id),
    ]
    for call in refused:
        with pytest.raises(openai.PermissionDeniedError):
            call()
    assert writer.cancel(answer.id).status == "completed"
    writer.delete(answer.id)
