"""What programs may name as a model, and what stands behind it."""

import pytest

from agents.model_names import model_name, resolve_model
from agents.models import Agent, AgentKind
from agents.selectors import get_agent, list_agents
from agents.services import new_version, update_agent
from credentials.services import disable_credential
from tests.support.factories import make_agent, make_credential, make_user
from workers.errors import InvalidInput, NotFound

pytestmark = pytest.mark.django_db


def test_an_agent_is_named_by_its_slug_and_pinned_by_its_number():
    user = make_user()
    agent = make_agent(user, slug="triage")
    new_version(user, agent, instructions="Be brief.")

    assert resolve_model(user, "agent:triage").number == 2
    assert resolve_model(user, "agent:triage@1").number == 1
    assert model_name(resolve_model(user, "agent:triage@1")) == "agent:triage@1"


def test_a_models_version_is_made_once_and_follows_its_credentials_name():
    user = make_user()
    credential = make_credential(user, name="main")

    version = resolve_model(user, "main/vendor/model-1")
    credential.name = "other"
    credential.save()

    assert (version.model, version.is_plain, version.number) == ("vendor/model-1", True, 1)
    assert resolve_model(user, "other/vendor/model-1") == version
    assert model_name(resolve_model(user, "other/vendor/model-1")) == "other/vendor/model-1"
    assert resolve_model(user, "other/vendor/model-1", "embeddings") != version
    assert Agent.objects.filter(kind=AgentKind.MODEL).count() == 2


def test_a_models_version_is_no_agent_of_anybody():
    user = make_user()
    make_credential(user, name="main")
    version = resolve_model(user, "main/m")

    assert not list_agents(user).exists()
    with pytest.raises(NotFound):
        get_agent(user, version.agent.slug)


def test_a_stranger_finds_neither():
    owner, stranger = make_user(), make_user()
    make_agent(owner, slug="triage")
    make_credential(owner, name="main")
    resolve_model(owner, "main/m")

    for name in ("agent:triage", "main/m"):
        with pytest.raises(NotFound):
            resolve_model(stranger, name)


@pytest.mark.parametrize("name", [None, "", 5, "m", "/m", "main/", "main/\n", "agent:", "main/" + "m" * 201])
def test_what_is_no_name_of_a_model_is_refused(name: object):
    user = make_user()
    make_credential(user, name="main")

    with pytest.raises(InvalidInput):
        resolve_model(user, name)
    assert not Agent.objects.exists()


def test_what_may_not_be_run_is_refused():
    user = make_user()
    update_agent(user, make_agent(user, slug="triage"), state="paused")
    disable_credential(make_credential(user, name="main"))

    with pytest.raises(InvalidInput, match=r"^model: agent 'triage' is paused"):
        resolve_model(user, "agent:triage")
    with pytest.raises(NotFound, match="disabled"):
        resolve_model(user, "main/m")


def test_the_operation_has_to_be_the_agents_and_one_that_the_provider_has():
    user = make_user()
    make_agent(user, slug="vectors", operation="embeddings")
    make_credential(user, name="claude", provider="anthropic", key="k" * 20)

    assert resolve_model(user, "agent:vectors", "embeddings").number == 1
    with pytest.raises(InvalidInput, match=r"^model: agent:vectors does embeddings"):
        resolve_model(user, "agent:vectors")
    with pytest.raises(InvalidInput, match=r"^model: the provider 'anthropic' has no embeddings"):
        resolve_model(user, "claude/m", "embeddings")
