"""What every model must have."""

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.utils import timezone

from agents.models import PoolMember
from batches.models import Attempt, AttemptOutcome, RunEvent, RunEventKind, StoredAnswer, WebhookEndpoint
from batches.webhooks.claiming import claim_due
from batches.webhooks.services import create_endpoint, send_test
from credentials.models import ProviderModel
from credentials.services import create_token
from tests.support.factories import (
    make_agent,
    make_batch,
    make_file,
    make_idempotency_key,
    make_single_run,
    make_superuser,
    make_user,
)

APPS = ("credentials", "agents", "batches")
# Internal bookkeeping of workers; the admin alone shows them.
WITHOUT_OWNER = {"batches.Lease": "belongs to a process", "batches.Leadership": "belongs to a process"}
USERS = {"credentials.User": "is the owner"}

OWNED = [
    model
    for app in APPS
    for model in apps.get_app_config(app).get_models()
    if model._meta.label not in WITHOUT_OWNER | USERS
]


@pytest.mark.parametrize("model", OWNED, ids=lambda model: model._meta.label)
def test_every_model_can_be_filtered_by_who_asks(model: type[models.Model]) -> None:
    assert hasattr(model._default_manager.all(), "visible_to")


@pytest.mark.django_db
@pytest.mark.parametrize("model", OWNED, ids=lambda model: model._meta.label)
@pytest.mark.security
def test_strangers_and_anonymous_see_nothing(model: type[models.Model]) -> None:
    agent = make_agent()
    make_batch(version=agent.current_version, rows=2)
    run = make_single_run(agent.current_version)
    Attempt.objects.create(run=run, number=1, outcome=AttemptOutcome.SUCCEEDED, finished_at=timezone.now())
    RunEvent.objects.create(run=run, kind=RunEventKind.STEP, created_at=timezone.now())
    ProviderModel.objects.create(credential=agent.current_version.credential, name=ProviderModel.DEFAULT)
    credential = agent.current_version.credential
    PoolMember.objects.create(version=agent.current_version, place=0, credential=credential, model="echo-1")
    moment = {"created_at": timezone.now(), "expires_at": timezone.now()}
    StoredAnswer.objects.create(key="k", credential=credential, answer_json="{}", bytes=2, **moment)
    send_test(create_endpoint(agent.owner, "https://hooks.example/", ["run.failed"])[0])
    claim_due(WebhookEndpoint.objects.get().pk)
    create_token(agent.owner, "ci", ["runs:read"])
    make_idempotency_key(agent.owner)
    make_file(agent.owner)
    rows = model._default_manager.all()
    assert rows.exists()
    assert not rows.visible_to(make_user()).exists()
    assert not rows.visible_to(AnonymousUser()).exists()
    assert rows.visible_to(make_superuser()).count() == rows.count()
    assert rows.visible_to(agent.owner).count() == rows.count()


@pytest.mark.django_db
def test_the_version_of_an_agent_never_changes() -> None:
    from workers.errors import InvalidInput

    version = make_agent().current_version
    version.prompt = "other"
    with pytest.raises(InvalidInput, match="create a new version"):
        version.save()
    with pytest.raises(InvalidInput, match="create a new version"):
        type(version).objects.filter(pk=version.pk).update(prompt="other")
