"""Sending: retries, leases, bounds, and receivers that fail in every way."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from batches.models import DeliveryState, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from batches.webhooks import sending
from batches.webhooks.claiming import AT_ONCE, claim_due, endpoints_with_due
from batches.webhooks.schedule import DELAYS, delay_after
from batches.webhooks.sending import WebhookSender
from batches.webhooks.services import create_endpoint, disable_endpoint, enable_endpoint, resend, send_test
from tests.support.receiver import Receiver, receiving
from tests.support.waiting import wait_for
from workers.errors import Conflict
from workers.http.client import Caps

from .conftest import allow


def make_due() -> None:
    WebhookDelivery.objects.filter(state=DeliveryState.PENDING).update(next_attempt_at=timezone.now())


def seconds_left(delivery: WebhookDelivery) -> float:
    delivery.refresh_from_db()
    return (delivery.next_attempt_at - timezone.now()).total_seconds()


def test_the_schedule_grows_and_lasts_a_day_with_some_chance_in_it() -> None:
    assert 23 * 3600 < sum(DELAYS) < 24 * 3600
    assert all(0.9 * delay <= delay_after(number) <= 1.1 * delay for number, delay in enumerate(DELAYS, 1))
    assert len({delay_after(1) for _ in range(20)}) > 1
    assert delay_after(len(DELAYS) + 1) is None
    assert delay_after(1, 120.0) == 120.0
    assert delay_after(1, 1e9) == 86_400


def test_what_is_answered_with_2xx_is_delivered(endpoint: WebhookEndpoint, receiver: Receiver, sender, run) -> None:
    receiver.then(204)
    delivery = send_test(endpoint)
    run(sender.send(*claim_due(endpoint.pk)))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.next_attempt_at) == ("delivered", 1, None)
    assert delivery.delivered_at is not None
    assert claim_due(endpoint.pk) == []


def test_a_failure_is_tried_again_and_the_answer_kept(
    endpoint: WebhookEndpoint, receiver: Receiver, sender, run
) -> None:
    receiver.then(500, b"br\x00ken " + b"x" * 5_000)
    delivery = send_test(endpoint)
    run(sender.send(*claim_due(endpoint.pk)))
    assert 3.5 < seconds_left(delivery) < 5.6
    endpoint.refresh_from_db()
    assert endpoint.failing_since is not None
    assert claim_due(endpoint.pk) == []
    make_due()
    run(sender.send(*claim_due(endpoint.pk)))
    first, second = WebhookAttempt.objects.filter(delivery=delivery)
    assert (first.status, len(first.response), first.response[:7]) == (500, 1_000, "br�ken ")
    assert (second.number, second.status, second.response) == (2, 200, "thanks")
    assert first.latency_ms is not None
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    endpoint.refresh_from_db()
    assert endpoint.failing_since is None


def test_a_receiver_that_asks_for_a_longer_wait_gets_it(
    endpoint: WebhookEndpoint, receiver: Receiver, sender, run
) -> None:
    receiver.then(503, Retry_After="120")
    delivery = send_test(endpoint)
    run(sender.send(*claim_due(endpoint.pk)))
    assert 115 < seconds_left(delivery) <= 120


def test_after_the_last_attempt_it_has_failed_and_can_be_sent_again(
    endpoint: WebhookEndpoint, receiver: Receiver, sender, run
) -> None:
    delivery = send_test(endpoint)
    for _ in range(len(DELAYS) + 1):
        receiver.then(500)
        make_due()
        run(sender.send(*claim_due(endpoint.pk)))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.next_attempt_at) == ("failed", 8, None)
    receiver.then(500)
    resend(delivery)
    run(sender.send(*claim_due(endpoint.pk)))
    assert 3.5 < seconds_left(delivery) < 5.6
    make_due()
    run(sender.send(*claim_due(endpoint.pk)))
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, WebhookAttempt.objects.count()) == ("delivered", 10, 10)
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1


def test_a_sender_that_dies_between_sending_and_storing_costs_a_twin_with_the_same_id(
    endpoint: WebhookEndpoint, receiver: Receiver, sender: WebhookSender, run
) -> None:
    delivery = send_test(endpoint)
    (claimed,) = claim_due(endpoint.pk)
    run(sender._ask(claimed))
    assert claim_due(endpoint.pk) == []
    with pytest.raises(Conflict, match="at this moment"):
        resend(delivery)
    assert 50 < seconds_left(delivery) <= 60
    make_due()
    run(sender.send(*claim_due(endpoint.pk)))
    assert [request.headers["webhook-id"] for request in receiver.requests] == [delivery.event_id] * 2
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("delivered", 2)
    assert [attempt.status for attempt in delivery.tries.all()] == [None, 200]


def test_a_late_failure_changes_nothing_of_who_has_it_now_and_a_late_receipt_counts(
    endpoint: WebhookEndpoint, receiver: Receiver, sender: WebhookSender, run
) -> None:
    receiver.then(500)
    delivery = send_test(endpoint)
    (late,) = claim_due(endpoint.pk)
    make_due()
    (now,) = claim_due(endpoint.pk)
    run(sender.send(late))
    delivery.refresh_from_db()
    assert delivery.token == now.token
    run(sender.send(late))
    delivery.refresh_from_db()
    assert delivery.state == "delivered"


def test_410_disables_the_endpoint(endpoint: WebhookEndpoint, receiver: Receiver, sender, run) -> None:
    receiver.then(410)
    delivery = send_test(endpoint)
    run(sender.send(*claim_due(endpoint.pk)))
    delivery.refresh_from_db()
    endpoint.refresh_from_db()
    assert (delivery.state, endpoint.is_active, endpoint.disabled_reason) == ("failed", False, "It answered 410 Gone.")
    with pytest.raises(Conflict, match="disabled"):
        resend(delivery)
    with pytest.raises(Conflict, match="disabled"):
        send_test(endpoint)


def test_what_is_pending_waits_while_the_endpoint_is_disabled(endpoint: WebhookEndpoint) -> None:
    send_test(endpoint)
    assert endpoints_with_due() == [endpoint.pk]
    disable_endpoint(endpoint)
    assert (claim_due(endpoint.pk), endpoints_with_due()) == ([], [])
    enable_endpoint(endpoint)
    assert len(claim_due(endpoint.pk)) == 1


@pytest.mark.security
def test_a_private_address_is_not_called_and_the_attempt_says_why(
    endpoint, receiver: Receiver, sender, run, settings
) -> None:
    settings.ARBORETUM_OUTBOUND_ALLOW = []
    send_test(endpoint)
    run(sender.send(*claim_due(endpoint.pk)))
    assert "private network" in WebhookAttempt.objects.get().error
    assert receiver.requests == []


@pytest.mark.security
def test_a_redirect_is_no_receipt_and_not_followed(endpoint, receiver: Receiver, sender, run) -> None:
    receiver.then(302, Location=receiver.url)
    send_test(endpoint)
    run(sender.send(*claim_due(endpoint.pk)))
    assert (len(receiver.requests), WebhookAttempt.objects.get().status) == (1, 302)
    assert WebhookDelivery.objects.get().state == "pending"


def test_a_receiver_that_hangs_holds_up_nobody_else(owner, sender, run, settings, monkeypatch) -> None:
    monkeypatch.setattr(sending, "CAPS", Caps(total=1.0, redirects=0, may_cut=True))
    with receiving() as slow, receiving() as other:
        allow(settings, slow, other)
        slow.pause = 3.0
        endpoint, _ = create_endpoint(owner, slow.url, ["run.failed"])
        quick, _ = create_endpoint(owner, other.url, ["run.failed"])
        send_test(endpoint)
        send_test(quick)
        run(sender.begin(endpoint.pk))
        started = time.monotonic()
        run(sender.begin(quick.pk))
        wait_for(lambda: bool(other.requests), 1.0, "the quick receiver's event")
        assert time.monotonic() - started < 1.0
        wait_for(lambda: WebhookAttempt.objects.exclude(error="").exists(), 5, "the slow one to be given up")
    assert "within 1 s" in WebhookAttempt.objects.exclude(error="").get().error
    assert WebhookDelivery.objects.filter(state="delivered").get().endpoint == quick


def test_one_endpoint_gets_eight_at_once_and_one_where_it_fails(endpoint, receiver: Receiver, sender, run) -> None:
    receiver.pause = 0.1
    for _ in range(20):
        send_test(endpoint)
    run(sender.begin(endpoint.pk))
    run(sender.begin(endpoint.pk))
    wait_for(lambda: not WebhookDelivery.objects.exclude(state="delivered").exists(), 10, "all to be delivered")
    assert (len(receiver.requests), receiver.most_at_once) == (20, AT_ONCE)
    WebhookEndpoint.objects.update(failing_since=timezone.now())
    send_test(endpoint)
    send_test(endpoint)
    assert [len(claim_due(endpoint.pk)), len(claim_due(endpoint.pk))] == [1, 0]


def test_two_processes_never_take_the_same_delivery(endpoint: WebhookEndpoint) -> None:
    for _ in range(12):
        send_test(endpoint)

    def take(_: int) -> list[int]:
        try:
            return [claimed.delivery_id for claimed in claim_due(endpoint.pk)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        taken = [pk for found in pool.map(take, range(4)) for pk in found]
    assert len(taken) == len(set(taken)) == AT_ONCE


def test_a_secret_that_no_key_opens_is_an_error_of_the_attempt(endpoint, sender, run, settings) -> None:
    from cryptography.fernet import Fernet

    send_test(endpoint)
    settings.ARBORETUM_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    run(sender.send(*claim_due(endpoint.pk)))
    assert "cannot be decrypted" in WebhookAttempt.objects.get().error


def test_an_endpoint_that_is_deleted_meanwhile_breaks_nothing(endpoint, receiver: Receiver, sender, run) -> None:
    send_test(endpoint)
    (claimed,) = claim_due(endpoint.pk)
    endpoint.delete()
    run(sender.send(claimed))
    assert len(receiver.requests) == 1
    assert not WebhookDelivery.objects.exists()


@pytest.mark.any_database
def test_due_deliveries_are_found_by_their_index(endpoint: WebhookEndpoint) -> None:
    due = WebhookDelivery.objects.filter(
        endpoint=endpoint, state="pending", next_attempt_at__lte=timezone.now() + timedelta(1)
    )
    assert "webhook_delivery_due" in due.explain()
