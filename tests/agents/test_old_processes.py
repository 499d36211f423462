"""Processes of the version before go on while an upgrade runs: they write rows without the columns they do not know."""

from typing import Any

import pytest
from django.db.migrations.loader import MigrationLoader

from agents.models import AgentVersion
from tests.support.factories import make_agent

pytestmark = pytest.mark.django_db

LAST_KNOWN = (("agents", "0001_initial"), ("batches", "0004_batch_is_mixed"), ("credentials", "0001_initial"))


@pytest.fixture(scope="module")
def old_apps() -> Any:
    """The models as a process of the version before knows them."""
    return MigrationLoader(None).project_state(LAST_KNOWN).apps


def test_an_old_process_makes_a_version_of_an_agent(old_apps: Any):
    agent = make_agent()
    before = agent.current_version
    copied = {field: getattr(before, field) for field in ("model", "prompt", "parameters", "abilities", "retry")}
    old = old_apps.get_model("agents", "AgentVersion").objects.create(
        agent_id=agent.pk, number=2, credential_id=before.credential_id, max_seconds=60.0, **copied
    )
    version = AgentVersion.objects.get(pk=old.pk)
    assert (version.operation, version.attachments, version.cache_seconds, version.max_repairs) == ("chat", [], None, 2)
    assert not version.pool.exists()


def test_an_old_process_adds_a_model_to_the_price_list(old_apps: Any):
    credential = make_agent().current_version.credential
    old = old_apps.get_model("credentials", "ProviderModel").objects.create(credential_id=credential.pk, name="older")
    assert credential.models.get(pk=old.pk).cached_input_price is None


def test_an_old_process_makes_a_token(old_apps: Any):
    user = make_agent().owner
    old = old_apps.get_model("credentials", "ApiToken").objects.create(
        user_id=user.pk, name="older", prefix="arb_", digest="x", scopes=["read"]
    )
    assert user.api_tokens.get(pk=old.pk).requests_per_minute is None
