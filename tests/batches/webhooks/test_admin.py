"""The admin's pages of webhooks, and its action that sends deliveries again."""

import pytest
from django.test import Client

from batches.models import WebhookDelivery
from batches.webhooks.claiming import Answer, claim_due, store_answer
from batches.webhooks.services import create_endpoint, send_test
from tests.support.factories import make_superuser, make_user

LIST = "/admin/batches/webhookdelivery/"


@pytest.fixture
def delivery(db: None) -> WebhookDelivery:
    endpoint, _ = create_endpoint(make_user(), "https://hooks.example/", ["run.failed"])
    found = send_test(endpoint)
    store_answer(claim_due(endpoint.pk)[0], Answer(5, 410, response="<img onerror=x>"))
    endpoint.is_active = True
    endpoint.save()
    return found


def test_a_delivery_is_shown_with_its_attempts_and_sent_again(client: Client, delivery: WebhookDelivery) -> None:
    client.force_login(make_superuser())
    page = client.get(f"{LIST}{delivery.pk}/change/").content.decode()
    assert ("410" in page, "&lt;img onerror=x&gt;" in page, "<img onerror" in page) == (True, True, False)
    sent = client.post(LIST, {"action": "send_again", "_selected_action": [delivery.pk]}, follow=True)
    assert f"Delivery {delivery.pk} is sent again." in sent.content.decode()
    delivery.refresh_from_db()
    assert delivery.state == "pending"
    client.post(LIST, {"action": "send_again", "_selected_action": [delivery.pk]}, follow=True)


@pytest.mark.security
def test_no_page_shows_a_secret_and_staff_without_the_permission_send_nothing(
    client: Client, delivery: WebhookDelivery
) -> None:
    client.force_login(make_superuser())
    page = client.get(f"/admin/batches/webhookendpoint/{delivery.endpoint_id}/change/").content.decode()
    assert ("hooks.example" in page, "whsec_" in page, "encrypted" in page) == (True, False, False)
    client.force_login(make_user(is_staff=True))
    assert client.post(LIST, {"action": "send_again", "_selected_action": [delivery.pk]}).status_code == 403
    delivery.refresh_from_db()
    assert delivery.state == "failed"
