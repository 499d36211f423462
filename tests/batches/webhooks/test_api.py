"""Webhooks over the native API."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from batches.models import WebhookEndpoint
from batches.webhooks.claiming import Answer, claim_due, store_answer
from credentials.models import IdempotencyKey, User
from credentials.tokens import create_token
from tests.support.factories import make_user

URL = "https://hooks.example/in"
pytestmark = pytest.mark.django_db(transaction=True)
Call = Callable[..., Any]


def caller(user: User, *scopes: str) -> Call:
    """Return a function that calls the API as `user`."""
    _, token = create_token(user, f"token {scopes}", scopes or ("batches:read", "batches:write"))
    client = Client(raise_request_exception=False)

    def call(method: str, path: str, data: Any = None, status: int = 200) -> Any:
        response = client.generic(
            method,
            f"/api/v1{path}",
            b"" if data is None else json.dumps(data),
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )
        assert response.status_code == status, response.content
        return response.json() if response.content else None

    return call


@pytest.fixture
def call() -> Call:
    return caller(make_user())


def make(call: Call, **more: Any) -> dict[str, Any]:
    return call("POST", "/webhooks", {"url": URL, "events": ["batch.completed"], **more}, 201)


def test_a_webhook_is_created_changed_and_deleted(call: Call) -> None:
    made = make(call, description="ci")
    assert made["secret"].startswith("whsec_")
    path = f"/webhooks/{made['id']}"
    shown = call("GET", path)
    assert "secret" not in shown
    assert (shown["url"], shown["events"], shown["state"]) == (URL, ["batch.completed"], "active")
    assert call("GET", "/webhooks")["data"] == [shown]
    changed = call("PATCH", path, {"events": ["run.failed"], "is_active": False})
    assert (changed["events"], changed["state"], changed["description"]) == (["run.failed"], "disabled", "ci")
    assert call("PATCH", path, {"is_active": True})["disabled_reason"] == ""
    assert call("POST", f"{path}/rotate")["secret"] != made["secret"]
    call("DELETE", path, status=204)
    assert not WebhookEndpoint.objects.exists()


def test_a_secret_is_kept_nowhere_in_the_clear(client: Client) -> None:
    user = make_user()
    _, token = create_token(user, "ci", ["batches:write"])
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "once"}
    body = {"url": URL, "events": ["batch.completed"]}

    first, again = (
        client.post("/api/v1/webhooks", body, content_type="application/json", headers=headers).json() for _ in "ab"
    )

    assert first["secret"].startswith("whsec_")
    assert again == first | {"secret": None}
    assert WebhookEndpoint.objects.count() == 1
    kept = IdempotencyKey.objects.get()
    assert first["secret"].encode() not in bytes(kept.body or b"")


def test_deliveries_are_listed_shown_and_sent_again(call: Call) -> None:
    path = f"/webhooks/{make(call)['id']}"
    sent = [call("POST", f"{path}/test", status=202) for _ in range(3)]
    first = call("GET", f"{path}/deliveries?limit=2")
    rest = call("GET", f"{path}/deliveries?limit=2&cursor={first['next']}")
    assert [row["id"] for row in first["data"] + rest["data"]] == [row["id"] for row in reversed(sent)]
    assert rest["next"] is None
    claimed, *_ = claim_due(sent[0]["endpoint"])
    call("POST", f"/webhook-deliveries/{claimed.delivery_id}/resend", status=409)
    store_answer(claimed, Answer(12, 200, response="ok"))
    (done,) = call("GET", f"{path}/deliveries?state=delivered")["data"]
    details = call("GET", f"/webhook-deliveries/{done['id']}")
    assert [(row["number"], row["status"], row["response"]) for row in details["tries"]] == [(1, 200, "ok")]
    assert '"webhook.test"' in details["payload"]
    assert call("POST", f"/webhook-deliveries/{done['id']}/resend", status=202)["state"] == "pending"


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"url": "http://169.254.169.254/", "events": ["run.failed"]}, "url"),
        ({"url": URL, "events": []}, "events"),
        ({"url": URL, "events": ["nothing"]}, "events[0]"),
        ({"url": URL}, "events"),
        ({"url": URL, "events": ["run.failed"], "secret": "mine"}, "secret"),
    ],
)
def test_what_is_wrong_is_named(call: Call, data: dict[str, Any], field: str) -> None:
    assert call("POST", "/webhooks", data, 422)["error"]["field"] == field


@pytest.mark.security
def test_a_stranger_and_a_token_without_the_scope_get_nothing(call: Call) -> None:
    webhook = make(call)
    sent = call("POST", f"/webhooks/{webhook['id']}/test", status=202)
    stranger, reader = caller(make_user()), caller(User.objects.get(webhooks=webhook["id"]), "batches:read")
    assert stranger("GET", "/webhooks")["data"] == []
    path, delivery = f"/webhooks/{webhook['id']}", f"/webhook-deliveries/{sent['id']}"
    writes = [
        ("PATCH", path, {}),
        ("DELETE", path, None),
        ("POST", f"{path}/rotate", None),
        ("POST", f"{path}/test", None),
    ]
    writes.append(("POST", f"{delivery}/resend", None))
    for method, address, data in [
        ("GET", path, None),
        ("GET", f"{path}/deliveries", None),
        ("GET", delivery, None),
        *writes,
    ]:
        stranger(method, address, data, 404)
    for method, address, data in writes:
        reader(method, address, data, 403)
    assert reader("GET", delivery)["id"] == sent["id"]
