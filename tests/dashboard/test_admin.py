"""The admin: every model is there, no page costs more with more rows, and keys go in but never out."""

from collections.abc import Callable

import pytest
from django.apps import apps
from django.contrib import admin as django_admin
from django.contrib.auth.models import Group
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_celery_results.models import GroupResult, TaskResult

from agents.models import PoolMember
from batches.models import Attempt, Leadership, Lease, RunEvent, StoredAnswer
from batches.webhooks.claiming import claim_due
from batches.webhooks.services import create_endpoint, send_test
from credentials import services
from credentials.models import ApiToken, Credential, ProviderModel, User
from credentials.services import create_token
from tests.support.factories import make_agent, make_batch, make_credential, make_file, make_idempotency_key, make_user
from workers.admin_base import MOST_ROWS, CappedPaginator

OURS = ("credentials", "agents", "batches", "django_celery_results")
# A counter that Celery keeps for itself while a chord runs.
NOT_SHOWN = {"ChordCounter"}
MODELS = [
    model for label in OURS for model in apps.get_app_config(label).get_models() if model.__name__ not in NOT_SHOWN
]
EDITABLE = {"User", "Credential", "ProviderModel", "Agent"}
KEY = "sk-test-abcdefghijklmnop-9876"

ClientOf = Callable[[User], Client]


@pytest.fixture
def one_of_each(admin: User) -> None:
    """An object of every model."""
    add_rows(admin)


def add_rows(owner: User) -> None:
    batch = make_batch(owner, rows=2)
    run = batch.runs.earliest("id")
    now = timezone.now()
    Attempt.objects.create(run=run, number=1, outcome="succeeded", finished_at=now)
    RunEvent.objects.create(run=run, kind="step", created_at=now)
    Lease.objects.create(process="host:1", batch=batch, created_at=now, expires_at=now)
    Leadership.objects.create(name=f"job {batch.pk}", holder="host:1", expires_at=now)
    credential = make_credential(owner)
    ProviderModel.objects.create(credential=credential, name="*")
    PoolMember.objects.create(version=batch.agent_version, place=0, credential=credential, model="echo-1")
    key = f"answer {batch.pk}"
    StoredAnswer.objects.create(
        key=key, credential=credential, answer_json="{}", bytes=2, created_at=now, expires_at=now
    )
    endpoint, _ = create_endpoint(owner, "https://hooks.example/", ["run.failed"])
    send_test(endpoint)
    claim_due(endpoint.pk)
    create_token(owner, f"token {batch.pk}", ["runs:read"])
    make_idempotency_key(owner)
    make_file(owner)
    TaskResult.objects.create(task_id=f"t{batch.pk}", task_name="batches.finalize_batch", status="SUCCESS")
    GroupResult.objects.create(group_id=f"g{batch.pk}")
    Group.objects.create(name=f"group {batch.pk}")


def address_of(model: type[models.Model], page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def test_every_model_is_registered():
    assert [model.__name__ for model in MODELS if not django_admin.site.is_registered(model)] == []


@pytest.mark.parametrize("model", [*MODELS, Group], ids=lambda model: model.__name__)
def test_every_list_and_object_is_shown_for_few_queries(
    one_of_each: None, client_of: ClientOf, admin: User, model: type[models.Model], django_assert_max_num_queries
):
    client = client_of(admin)
    stored = model._default_manager.order_by("pk").first()
    assert stored is not None

    with django_assert_max_num_queries(8):
        assert client.get(address_of(model, "changelist")).status_code == 200
    with django_assert_max_num_queries(12):
        assert client.get(address_of(model, "change", stored.pk)).status_code == 200


@pytest.mark.parametrize("model", [*MODELS, Group], ids=lambda model: model.__name__)
def test_queries_of_a_list_do_not_grow_with_its_rows(
    one_of_each: None, client_of: ClientOf, admin: User, model: type[models.Model]
):
    client = client_of(admin)
    client.get(address_of(model, "changelist"))

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            client.get(address_of(model, "changelist"))
        return len(captured)

    before = queries()
    for _ in range(4):
        add_rows(make_user())
    assert queries() == before


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_facts_can_be_read_only(one_of_each: None, client_of: ClientOf, admin: User, model: type[models.Model]):
    if model.__name__ in EDITABLE:
        return
    client = client_of(admin)
    stored = model._default_manager.order_by("pk").first()

    assert client.get(address_of(model, "add")).status_code == 403
    assert client.post(address_of(model, "delete", stored.pk), {"post": "yes"}).status_code == 403
    assert client.post(address_of(model, "change", stored.pk), {"state": "x"}).status_code == 403


def test_searching_runs_takes_any_text(one_of_each: None, client_of: ClientOf, admin: User):
    client = client_of(admin)
    for query in ("1", "abc", "9" * 40, "%00", "'"):
        assert client.get(f"/admin/batches/run/?q={query}").status_code in (200, 302)


def test_lists_of_runs_leave_long_texts_in_the_database(one_of_each: None, client_of: ClientOf, admin: User):
    with CaptureQueriesContext(connection) as captured:
        client_of(admin).get("/admin/batches/run/")

    assert not any('"input_json"' in query["sql"] for query in captured)


def test_paginator_counts_no_further_than_its_cap(db: None, django_assert_num_queries):
    make_user()
    paginator = CappedPaginator(User.objects.order_by("pk"), 50)

    with CaptureQueriesContext(connection) as captured:
        assert paginator.count == User.objects.count()
    assert f"LIMIT {MOST_ROWS}" in captured[0]["sql"]
    assert CappedPaginator(range(20_000), 50).count == MOST_ROWS


@pytest.mark.security
def test_not_staff_is_kept_out(client_of: ClientOf, owner: User):
    response = client_of(owner).get("/admin/batches/run/", follow=True)

    assert response.status_code == 403


def credential_form(**values: str) -> dict[str, str]:
    return {
        "name": "main",
        "provider": "openai",
        "base_url": "",
        "key": "",
        "organisation": "",
        "environment": "production",
        "is_active": "on",
    } | values


def test_credential_is_added_with_its_key_encrypted(client_of: ClientOf, admin: User):
    response = client_of(admin).post(address_of(Credential, "add"), credential_form(key=KEY))

    assert response.status_code == 302
    stored = Credential.objects.get()
    assert (stored.owner, stored.reveal_key(), stored.last_four) == (admin, KEY, "9876")


@pytest.mark.security
def test_key_never_comes_out_of_the_admin(client_of: ClientOf, admin: User):
    credential = make_credential(admin, name="main", provider="openai", key=KEY)
    client = client_of(admin)

    for address in (
        address_of(Credential, "changelist"),
        address_of(Credential, "change", credential.pk),
        address_of(Credential, "history", credential.pk),
        address_of(Credential, "delete", credential.pk),
    ):
        text = client.get(address).content.decode()
        assert KEY not in text
        assert KEY[:12] not in text
    assert "…9876" in client.get(address_of(Credential, "change", credential.pk)).content.decode()


@pytest.mark.security
def test_refused_form_does_not_repeat_the_key(client_of: ClientOf, admin: User):
    response = client_of(admin).post(address_of(Credential, "add"), credential_form(key=KEY, name="not / allowed"))

    assert response.status_code == 200
    assert KEY not in response.content.decode()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"provider": "nonsense", "key": KEY}, "there is no &#x27;nonsense&#x27;"),
        ({"key": ""}, "needs a key"),
        ({"key": KEY, "base_url": "ftp://x"}, "base_url: must be like"),
        ({"key": "two words"}, "only visible ASCII"),
        ({"key": KEY, "organisation": "a\u200bb"}, "organisation: only printable characters are allowed"),
    ],
)
def test_bad_credentials_are_refused_with_the_reason(
    client_of: ClientOf, admin: User, values: dict[str, str], message: str
):
    response = client_of(admin).post(address_of(Credential, "add"), credential_form(**values))

    assert message in response.content.decode()
    assert not Credential.objects.exists()


@pytest.mark.parametrize("page", ["add", "change"])
def test_a_name_that_is_taken_is_refused(client_of: ClientOf, admin: User, page: str):
    make_credential(admin, name="taken")
    mine = make_credential(admin, name="mine", provider="openai", key=KEY)
    address = address_of(Credential, page, *([mine.pk] if page == "change" else []))

    response = client_of(admin).post(address, credential_form(key=KEY, name="taken"))

    assert "already exists" in response.content.decode()
    assert set(Credential.objects.values_list("name", flat=True)) == {"taken", "mine"}


@pytest.mark.parametrize("page", ["add", "change"])
def test_a_name_that_is_taken_while_the_form_is_checked_is_refused(
    client_of: ClientOf, admin: User, page: str, monkeypatch: pytest.MonkeyPatch
):
    mine = make_credential(admin, name="mine", provider="openai", key=KEY)
    check = services._check

    def check_and_lose(credential: Credential) -> None:
        """Somebody else is faster by a moment."""
        check(credential)
        make_credential(admin, name="main")

    monkeypatch.setattr(services, "_check", check_and_lose)
    address = address_of(Credential, page, *([mine.pk] if page == "change" else []))

    response = client_of(admin).post(address, credential_form(key=KEY))

    assert response.status_code == 200
    assert "there is already a credential called &#x27;main&#x27;" in response.content.decode()
    assert Credential.objects.get(name="main").provider == "simulated"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("input_price", "-0.1", "must be at least 0"),
        ("output_price", "-1", "must be at least 0"),
        ("cached_input_price", "-1", "must be at least 0"),
        ("requests_per_minute", "0", "must be a whole number from 1 to 2147483647"),
        ("tokens_per_minute", "0", "must be a whole number from 1 to 9223372036854775807"),
        ("max_concurrency", "99999999999", "must be a whole number from 1 to 2147483647"),
        ("max_output_tokens", "0", "must be a whole number from 1 to 2147483647"),
        ("context_window", "0", "must be a whole number from 1 to 2147483647"),
    ],
)
def test_limits_that_the_command_refuses_are_refused_here_too(
    client_of: ClientOf, admin: User, field: str, value: str, message: str
):
    form = {"credential": make_credential(admin).pk, "name": "m", field: value}

    response = client_of(admin).post(address_of(ProviderModel, "add"), form)

    assert message in response.content.decode()
    assert not ProviderModel.objects.exists()


def test_the_price_of_cached_input_can_be_set(client_of: ClientOf, admin: User):
    form = {"credential": make_credential(admin).pk, "name": "m", "cached_input_price": "0.075"}

    assert client_of(admin).post(address_of(ProviderModel, "add"), form).status_code == 302

    assert str(ProviderModel.objects.get().cached_input_price) == "0.075000"


def changed(client: Client, credential: Credential, **values: str) -> Credential:
    response = client.post(address_of(Credential, "change", credential.pk), credential_form(**values))
    assert response.status_code == 302, response.content.decode()
    credential.refresh_from_db()
    return credential


def test_key_stays_when_something_else_changes(client_of: ClientOf, admin: User):
    credential = make_credential(admin, name="main", provider="openai", key=KEY)

    changed(client_of(admin), credential, organisation="acme", name="renamed")

    assert (credential.name, credential.organisation, credential.reveal_key()) == ("renamed", "acme", KEY)


def test_another_base_url_clears_the_key_unless_it_is_typed_again(client_of: ClientOf, admin: User):
    credential = make_credential(admin, name="main", provider="openai", key=KEY)
    client = client_of(admin)

    assert changed(client, credential, base_url="https://elsewhere.example/v1").reveal_key() == ""
    assert changed(client, credential, base_url="http://vllm:8000/v1", key="new-key-0123456789").reveal_key() == (
        "new-key-0123456789"
    )


def test_credential_is_switched_off_and_on(client_of: ClientOf, admin: User):
    credential = make_credential(admin, name="main", provider="openai", key=KEY)
    client = client_of(admin)

    assert not changed(client, credential, is_active="").is_active
    assert changed(client, credential).is_active


def test_tokens_are_revoked_by_an_action(client_of: ClientOf, admin: User):
    token, _ = create_token(admin, "ci", ["runs:read"])

    client_of(admin).post(address_of(ApiToken, "changelist"), {"action": "revoke", "_selected_action": [token.pk]})

    token.refresh_from_db()
    assert token.revoked_at is not None


def test_agent_can_be_archived_but_its_slug_stays(client_of: ClientOf, admin: User):
    agent = make_agent(admin, slug="keeper")

    client_of(admin).post(
        reverse("admin:agents_agent_change", args=[agent.pk]),
        {"name": "", "description": "", "state": "archived", "slug": "x"},
    )

    agent.refresh_from_db()
    assert (agent.slug, agent.state) == ("keeper", "archived")


def test_users_are_added_with_a_password(client_of: ClientOf, admin: User):
    client_of(admin).post(
        address_of(User, "add"),
        {"username": "nina", "usable_password": "true", "password1": "long enough 77", "password2": "long enough 77"},
    )

    assert User.objects.get(username="nina").check_password("long enough 77")
