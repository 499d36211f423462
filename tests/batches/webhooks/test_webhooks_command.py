"""`manage.py webhooks`, as a person types it."""

import pytest

from batches.models import WebhookDelivery, WebhookEndpoint
from batches.webhooks.claiming import claim_due
from tests.support.commands import run_command
from tests.support.factories import make_superuser, make_user

URL = "https://hooks.example/in"


@pytest.fixture
def user(db: None):
    return make_superuser()


def add() -> int:
    done = run_command("webhooks", "add", URL, "--event", "batch.completed", "--event", "run.failed", "--json")
    assert done.code == 0, done.err
    return done.data["id"]


def test_an_endpoint_is_added_and_its_secret_told_once(user) -> None:
    done = run_command("webhooks", "add", URL, "--event", "batch.completed", "--description", "ci")
    endpoint = WebhookEndpoint.objects.get()
    assert (done.code, done.out) == (0, f"Added {endpoint}. Its secret:\n{endpoint.reveal_secrets()[0]}\n")
    assert "not shown again" in done.err
    for command in (("list",), ("show", str(endpoint.pk)), ("deliveries", str(endpoint.pk))):
        told = run_command("webhooks", *command).out + run_command("webhooks", *command, "--json").out
        assert "whsec_" not in told


def test_endpoints_are_listed_and_shown(user) -> None:
    assert "No webhooks" in run_command("webhooks", "list").out
    pk = add()
    assert "batch.completed" in run_command("webhooks", "list").out
    shown = run_command("webhooks", "show", str(pk))
    assert ("https://hooks.example/in" in shown.out, "No deliveries." in shown.out) == (True, True)
    assert run_command("webhooks", "show", str(pk), "--json").data["deliveries"] == []


def test_a_test_event_is_listed_with_its_attempts_and_sent_again(user) -> None:
    pk = add()
    sent = run_command("webhooks", "test", str(pk))
    delivery = WebhookDelivery.objects.get()
    assert f"Delivery {delivery.pk} is on its way." in sent.out
    assert "No worker is running" in sent.err
    assert run_command("webhooks", "deliveries", str(pk), "--json").data[0]["state"] == "pending"
    assert "No attempt yet." in run_command("webhooks", "attempts", str(delivery.pk)).out
    claim_due(pk)
    assert run_command("webhooks", "attempts", str(delivery.pk), "--json").data["tries"][0]["number"] == 1
    assert "being sent" in run_command("webhooks", "resend", str(delivery.pk)).err
    WebhookDelivery.objects.update(state="failed", token=None)
    assert run_command("webhooks", "resend", str(delivery.pk), "--json").data["state"] == "pending"
    assert run_command("webhooks", "deliveries", str(pk), "--state", "failed", "--json").data == []


def test_a_secret_is_rotated_and_an_endpoint_enabled_and_removed(user) -> None:
    pk = add()
    secret = run_command("webhooks", "rotate", str(pk), "--json").data["secret"]
    assert WebhookEndpoint.objects.get().reveal_secrets()[0] == secret
    WebhookEndpoint.objects.update(is_active=False, disabled_reason="It answered 410 Gone.")
    assert "disabled" in run_command("webhooks", "list").out
    assert "disabled" in run_command("webhooks", "test", str(pk)).err
    assert run_command("webhooks", "enable", str(pk), "--json").data["state"] == "active"
    assert run_command("webhooks", "remove", str(pk)).code == 0
    assert not WebhookEndpoint.objects.exists()


def test_bad_arguments_end_with_2(user) -> None:
    for arguments in (
        ("add", "http://10.0.0.1/", "--event", "run.failed"),
        ("add", URL, "--event", "nothing"),
        ("show", "0"),
        ("deliveries", str(add()), "--state", "lost"),
        ("resend", "1"),
    ):
        done = run_command("webhooks", *arguments)
        assert (done.code, done.err.count("\n")) == (2, 1), done.err


@pytest.mark.security
def test_who_does_not_own_an_endpoint_cannot_see_or_change_it(user) -> None:
    pk, stranger = add(), make_user()
    assert run_command("webhooks", "list", "--as", stranger.username, "--json").data == []
    for verb in ("show", "deliveries", "test", "rotate", "enable", "remove"):
        done = run_command("webhooks", verb, str(pk), "--as", stranger.username)
        assert (done.code, done.err) == (2, f"error: There is no webhook {pk}.\n")
