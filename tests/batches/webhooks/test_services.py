"""Endpoints and deliveries as users handle them, and what strangers see of them."""

from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.utils import timezone

from batches.housekeeping import prune
from batches.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from batches.webhooks.claiming import claim_due, endpoints_with_due
from batches.webhooks.selectors import get_delivery, get_endpoint, list_deliveries, list_endpoints
from batches.webhooks.services import (
    MOST_ENDPOINTS,
    create_endpoint,
    delete_endpoint,
    rotate_secret,
    send_test,
    update_endpoint,
)
from credentials.rotation import rotate_keys
from tests.support.factories import make_superuser, make_user
from workers.errors import InvalidInput, NotFound

URL = "https://hooks.example/in"
pytestmark = pytest.mark.django_db


def test_an_endpoint_is_created_and_changed() -> None:
    user = make_user()
    endpoint, secret = create_endpoint(user, f" {URL} ", ["batch.failed", "run.failed", "run.failed"], description="ci")
    assert (endpoint.url, endpoint.events, endpoint.is_active) == (URL, ["run.failed", "batch.failed"], True)
    assert endpoint.reveal_secrets() == [secret]
    update_endpoint(endpoint, url="http://other.example/", events=["batch.paused"], description="")
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.events, endpoint.description) == ("http://other.example/", ["batch.paused"], "")


@pytest.mark.parametrize(
    ("url", "events", "told"),
    [
        ("ftp://hooks.example/", ["run.failed"], "url: the scheme"),
        ("http://127.0.0.1/", ["run.failed"], "url: .*private network"),
        ("http://u:p@hooks.example/", ["run.failed"], "url: a user name"),
        (URL, [], "events: at least one"),
        (URL, ["run.failed", "nothing"], "events: 'nothing' is unknown; allowed: run.completed, "),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_created(url: str, events: list[str], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        create_endpoint(make_user(), url, events)
    assert not WebhookEndpoint.objects.exists()


def test_a_description_and_the_number_of_endpoints_are_bounded() -> None:
    user = make_user()
    with pytest.raises(InvalidInput, match="description"):
        create_endpoint(user, URL, ["run.failed"], description="x" * 201)
    for _ in range(MOST_ENDPOINTS):
        create_endpoint(user, URL, ["run.failed"])
    with pytest.raises(InvalidInput, match="50 webhooks at most"):
        create_endpoint(user, URL, ["run.failed"])


@pytest.mark.security
def test_a_stranger_sees_neither_endpoint_nor_delivery() -> None:
    owner, stranger = make_user(), make_user()
    endpoint, _ = create_endpoint(owner, URL, ["run.failed"])
    delivery = send_test(endpoint)
    with pytest.raises(NotFound, match="no webhook"):
        get_endpoint(stranger, endpoint.pk)
    with pytest.raises(NotFound, match="no delivery"):
        get_delivery(stranger, delivery.pk)
    assert (list_endpoints(stranger), list_deliveries(stranger, endpoint)) == ([], [])
    for user in (owner, make_superuser()):
        assert get_endpoint(user, endpoint.pk) == endpoint
        assert list_deliveries(user, endpoint) == [get_delivery(user, delivery.pk)]


def test_deliveries_come_in_pages_by_state() -> None:
    user = make_user()
    endpoint, _ = create_endpoint(user, URL, ["run.failed"])
    sent = [send_test(endpoint) for _ in range(5)]
    WebhookDelivery.objects.filter(pk=sent[0].pk).update(state="delivered")
    assert list_deliveries(user, endpoint, limit=2) == [sent[4], sent[3]]
    assert list_deliveries(user, endpoint, limit=2, before=sent[3].pk) == [sent[2], sent[1]]
    assert list_deliveries(user, endpoint, state="delivered") == [sent[0]]
    with pytest.raises(InvalidInput, match="state: 'lost' is unknown"):
        list_deliveries(user, endpoint, state="lost")
    with pytest.raises(InvalidInput, match="limit"):
        list_deliveries(user, endpoint, limit=0)


def test_an_endpoint_goes_with_its_deliveries() -> None:
    endpoint, _ = create_endpoint(make_user(), URL, ["run.failed"])
    send_test(endpoint)
    claim_due(endpoint.pk)
    delete_endpoint(endpoint)
    assert not WebhookDelivery.objects.exists()
    assert not WebhookAttempt.objects.exists()


def test_deliveries_are_kept_for_thirty_days() -> None:
    endpoint, _ = create_endpoint(make_user(), URL, ["run.failed"])
    old, new = send_test(endpoint), send_test(endpoint)
    claim_due(endpoint.pk)
    WebhookDelivery.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=31))
    assert prune()["webhook_deliveries"] == 1
    assert [delivery.pk for delivery in WebhookDelivery.objects.all()] == [new.pk]
    assert WebhookAttempt.objects.count() == 1


@pytest.mark.security
def test_a_secret_is_stored_encrypted_and_rotated_with_the_providers_keys(settings) -> None:
    endpoint, first = create_endpoint(make_user(), URL, ["run.failed"])
    second = rotate_secret(endpoint)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM batches_webhookendpoint")
        dumped = b"".join(
            bytes(cell) if isinstance(cell, (bytes, memoryview)) else str(cell).encode() for cell in cursor.fetchone()
        )
    for secret in (first, second):
        assert secret.removeprefix("whsec_").encode() not in dumped
    settings.ARBORETUM_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.ARBORETUM_ENCRYPTION_KEYS]
    done = rotate_keys()
    assert (done.rotated, done.failed) == (1, [])
    settings.ARBORETUM_ENCRYPTION_KEYS = settings.ARBORETUM_ENCRYPTION_KEYS[:1]
    endpoint.refresh_from_db()
    assert endpoint.reveal_secrets() == [second, first]


@pytest.mark.security
def test_nothing_is_sent_for_a_user_who_is_not_active_until_he_is() -> None:
    user = make_user()
    endpoint, _ = create_endpoint(user, URL, ["run.failed"])
    send_test(endpoint)
    user.is_active = False
    user.save()
    assert (endpoints_with_due(), claim_due(endpoint.pk)) == ([], [])
    user.is_active = True
    user.save()
    assert endpoints_with_due() == [endpoint.pk]
    assert len(claim_due(endpoint.pk)) == 1
