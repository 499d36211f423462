"""Signatures, as receivers verify them: by OpenAI's client, and by hand."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from openai import InvalidWebhookSignatureError, OpenAI
from openai.types.webhooks import BatchCompletedWebhookEvent

from batches.models import EventType, WebhookEndpoint
from batches.webhooks.claiming import claim_due
from batches.webhooks.events import note_batch_event
from batches.webhooks.services import create_endpoint, rotate_secret, send_test
from batches.webhooks.signing import make_secret, signed_headers
from tests.support.factories import make_batch
from tests.support.receiver import Received, Receiver

# Of the specification's own example, signed by the library of its authors.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
EVENT, AT = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def unwrap(request: Received, secret: str):
    return OpenAI(api_key="none", webhook_secret=secret).webhooks.unwrap(request.body, request.headers)


def test_a_signature_is_that_of_the_specifications_example() -> None:
    assert signed_headers(EVENT, BODY, [SECRET], AT) == {
        "webhook-id": EVENT,
        "webhook-timestamp": str(AT),
        "webhook-signature": SIGNATURE,
    }
    assert len(make_secret()) == len("whsec_") + 44
    assert make_secret() != make_secret()


def test_openais_client_takes_what_is_sent_and_refuses_what_was_changed(owner, receiver: Receiver, sender, run) -> None:
    endpoint, secret = create_endpoint(owner, receiver.url, ["batch.completed"])
    delivery = send_test(endpoint)
    run(sender.send(*claim_due(endpoint.pk)))
    (request,) = receiver.requests
    event = unwrap(request, secret)
    assert (event.id, event.type, event.object) == (delivery.event_id, "webhook.test", "event")
    assert request.headers["content-type"] == "application/json"
    for wrong in (
        Received(request.headers, request.body + b" ", ""),
        Received(request.headers | {"webhook-id": "msg_other"}, request.body, ""),
    ):
        with pytest.raises(InvalidWebhookSignatureError):
            unwrap(wrong, secret)
    with pytest.raises(InvalidWebhookSignatureError):
        unwrap(request, make_secret())


def test_openais_client_knows_a_batch_that_has_completed(owner, receiver: Receiver, sender, run) -> None:
    endpoint, secret = create_endpoint(owner, receiver.url, ["batch.completed"])
    batch = make_batch(owner, rows=1)
    with transaction.atomic():
        note_batch_event(batch.pk, EventType.BATCH_COMPLETED)
    run(sender.send(*claim_due(endpoint.pk)))
    event = unwrap(receiver.requests[0], secret)
    assert isinstance(event, BatchCompletedWebhookEvent)
    assert event.data.id == f"batch_{batch.pk}"


def test_after_a_rotation_both_secrets_sign_for_a_day(owner, receiver: Receiver, sender, run) -> None:
    endpoint, old = create_endpoint(owner, receiver.url, ["batch.completed"])
    new = rotate_secret(endpoint)
    send_test(endpoint)
    run(sender.send(*claim_due(endpoint.pk)))
    assert unwrap(receiver.requests[0], old).id == unwrap(receiver.requests[0], new).id
    assert endpoint.previous_until - timezone.now() > timedelta(hours=23)
    WebhookEndpoint.objects.update(previous_until=timezone.now())
    send_test(endpoint)
    run(sender.send(*claim_due(endpoint.pk)))
    assert unwrap(receiver.requests[1], new).type == "webhook.test"
    with pytest.raises(InvalidWebhookSignatureError):
        unwrap(receiver.requests[1], old)
