from contextlib import nullcontext
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.llm.types import Price
from agents.models import Agent, AgentVersion
from agents.services import create_agent, new_version, require_runnable, spec_of, update_agent
from agents.spec import RunLimits
from credentials.services import set_model
from tests.support.factories import make_agent, make_credential, make_superuser, make_user
from workers.errors import InvalidInput
from workers.retry import RetryPolicy, RetryStrategy

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return make_user()


@pytest.fixture
def credential(user):
    return make_credential(user, name="sim")


@pytest.fixture
def agent(user, credential):
    return create_agent(user, slug="triage", credential="sim", model="sim-1", prompt="{{ ticket }}")


def test_an_agent_is_created_with_its_first_version(user, credential):
    agent = create_agent(
        user,
        slug="triage",
        name="Triage",
        description="Sorts tickets.",
        note="first",
        credential=credential,
        model="sim-1",
        instructions="Be brief.",
        prompt="{{ ticket }}",
        parameters={"temperature": 0},
        output_schema={"type": "object"},
        abilities=["calculator()"],
        limits=RunLimits(5, 1000, 30.0, Decimal("0.5")),
        retry={"strategy": "linear", "max_tries": 2},
    )

    agent.refresh_from_db()
    version = agent.current_version
    assert version is not None
    assert (agent.owner, agent.slug, agent.name, agent.state) == (user, "triage", "Triage", "active")
    assert (version.number, version.created_by, version.note) == (1, user, "first")
    assert (version.credential, version.model) == (credential, "sim-1")
    assert version.abilities == ["calculator"]
    assert version.max_cost == Decimal("0.5")
    assert version.retry == {"strategy": "linear", "max_tries": 2, "base_seconds": 1.0, "max_seconds": 60.0}


def test_defaults_are_written_down_so_that_a_version_stays_explainable(agent):
    version = agent.current_version

    assert (version.max_steps, version.max_tokens, version.max_seconds, version.max_cost) == (10, None, 600.0, None)
    assert version.retry == RetryPolicy().as_dict()
    assert (version.parameters, version.abilities, version.output_schema) == ({}, [], None)


@pytest.mark.parametrize("slug", ["", "Triage", "-a", "a b", "a@1", "a/b", "a\x00b", "ä", "x" * 101])
def test_a_slug_that_is_not_allowed_is_named(user, credential, slug):
    with pytest.raises(InvalidInput, match="slug"):
        create_agent(user, slug=slug, credential="sim", model="m", prompt="p")
    assert not Agent.objects.exists()


def test_a_slug_is_taken_once(user, credential, agent):
    with pytest.raises(InvalidInput, match="slug"):
        create_agent(user, slug="triage", credential="sim", model="m", prompt="p")


@pytest.mark.parametrize(
    "words", [{"name": "a\x00b"}, {"name": "x" * 201}, {"description": "\ud800"}, {"note": "x" * 501}]
)
def test_words_that_cannot_be_stored_are_named(user, credential, words):
    with pytest.raises(InvalidInput, match=next(iter(words))):
        create_agent(user, slug="triage", credential="sim", model="m", prompt="p", **words)
    assert not Agent.objects.exists()


def test_a_change_makes_the_next_version_and_leaves_the_old_one(user, agent):
    version = new_version(user, agent, prompt="Sort: {{ ticket }}", limits={"max_steps": 3}, note="shorter")

    assert (version.number, version.prompt, version.max_steps, version.note) == (2, "Sort: {{ ticket }}", 3, "shorter")
    assert agent.current_version == version
    assert Agent.objects.get().current_version == version
    assert [v.prompt for v in agent.versions.all()] == ["{{ ticket }}", "Sort: {{ ticket }}"]


def test_limits_and_retry_may_be_changed_one_setting_at_a_time(user, agent):
    new_version(user, agent, limits={"max_steps": 3, "max_cost": "0.25"}, retry={"max_tries": 2})
    version = new_version(user, agent, limits={"max_cost": None}, retry={"strategy": "fixed"})

    assert (version.max_steps, version.max_cost) == (3, None)
    assert (version.retry["strategy"], version.retry["max_tries"]) == ("fixed", 2)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"prompt": "{{ ticket }}"},
        {"credential": "sim", "parameters": {}, "abilities": (), "output_schema": None},
        {"limits": RunLimits(), "retry": RetryPolicy()},
        {"limits": {"max_seconds": 600}, "retry": {"strategy": "exponential"}},
        {"note": "nothing new"},
    ],
)
def test_no_version_is_made_where_nothing_changes(user, agent, changes):
    version = new_version(user, agent, **changes)

    assert version.number == 1
    assert AgentVersion.objects.count() == 1


def test_a_version_written_without_defaults_counts_as_unchanged(user):
    agent = make_agent(user, retry={})

    assert new_version(user, agent).number == 1


def test_going_back_is_a_new_version(user, agent):
    new_version(user, agent, prompt="other")

    assert new_version(user, agent, prompt="{{ ticket }}").number == 3


def test_a_wrong_change_leaves_everything_as_it_was(user, agent):
    with pytest.raises(InvalidInput, match="abilities"):
        new_version(user, agent, prompt="new", abilities=["shell"])

    assert AgentVersion.objects.get().prompt == "{{ ticket }}"


def test_versions_are_immutable(agent):
    version = agent.current_version
    version.prompt = "changed"

    with pytest.raises(InvalidInput, match="cannot be changed"):
        version.save()
    with pytest.raises(InvalidInput, match="cannot be changed"):
        AgentVersion.objects.filter(pk=version.pk).update(prompt="changed")
    assert AgentVersion.objects.get().prompt == "{{ ticket }}"


def test_a_stranger_cannot_change_an_agent(agent):
    with pytest.raises(InvalidInput, match="There is no agent 'triage'"):
        new_version(make_user(), agent, prompt="mine")
    with pytest.raises(InvalidInput, match="There is no agent 'triage'"):
        update_agent(make_user(), agent, name="mine")


def test_a_superuser_can(agent):
    admin = make_superuser()

    assert new_version(admin, agent, prompt="ours").created_by == admin


def test_nobody_uses_the_credential_of_another(user, credential):
    stranger = make_user()

    for value in (credential, "sim"):
        with pytest.raises(InvalidInput, match="There is no credential 'sim'"):
            create_agent(stranger, slug="mine", credential=value, model="m", prompt="p")


def test_words_and_state_belong_to_the_agent(user, agent):
    updated = update_agent(user, agent, name="Triage", state="paused")

    agent.refresh_from_db()
    assert (agent.name, agent.description, agent.state) == ("Triage", "", "paused")
    assert updated.current_version.number == 1


def test_a_state_that_does_not_exist_is_named(user, agent):
    with pytest.raises(InvalidInput, match="state must be one of: draft, active, paused, archived"):
        update_agent(user, agent, state="gone")


def test_the_spec_holds_what_the_runner_needs(user, credential, agent):
    set_model(credential, "sim-1", input_price=Decimal(3), output_price=Decimal(5))
    new_version(user, agent, abilities=["now"], limits={"max_tokens": 9}, retry={"strategy": "provider"})

    spec = spec_of(AgentVersion.objects.select_related("agent", "credential").get(number=2))

    assert (spec.slug, spec.version, spec.credential, spec.model) == ("triage", 2, "sim", "sim-1")
    assert (spec.abilities, spec.limits.max_tokens) == (("now",), 9)
    assert spec.retry.strategy is RetryStrategy.PROVIDER
    assert spec.price == Price(Decimal(3), Decimal(5))


def test_a_given_price_saves_the_query(agent):
    version = AgentVersion.objects.select_related("agent", "credential").get()

    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert spec_of(version, Price()).price == Price()
    assert len(queries) == 0


@pytest.mark.parametrize(
    ("state", "runs", "tried_out", "told"),
    [
        ("draft", False, True, "agent 'triage' is a draft; make it active first: manage.py agents update triage"),
        ("active", True, True, ""),
        ("paused", False, False, "agent 'triage' is paused; make it active first"),
        ("archived", False, False, "agent 'triage' is archived; make it active first"),
    ],
)
def test_an_agents_state_decides_what_may_be_run(user, agent, state, runs, tried_out, told):
    update_agent(user, agent, state=state)
    version = AgentVersion.objects.select_related("agent").get(agent=agent)

    for trial, allowed in ((False, runs), (True, tried_out)):
        with nullcontext() if allowed else pytest.raises(InvalidInput, match=told):
            require_runnable(version, trial=trial)
