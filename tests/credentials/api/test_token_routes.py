"""Tokens over a real server: made, listed, revoked, expired, limited, by scope."""

from datetime import timedelta

import pytest
from django.utils import timezone

from credentials.models import ApiToken, IdempotencyKey
from credentials.tokens import create_token
from tests.credentials.conftest import stored_text
from tests.support.api_user import ApiUser
from tests.support.factories import make_superuser, make_user
from tests.support.web_server import WebServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]

TOKENS = "/api/v1/tokens"


@pytest.fixture
def root(web_server: WebServer, transactional_db: None):
    with ApiUser.make(web_server, "admin", user=make_superuser(username="root")) as user:
        yield user.http()


def code_of(response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_a_token_is_made_shown_once_used_and_revoked(root, web_server):
    made = root.post(TOKENS, json={"name": "ci", "scopes": ["agents:read"], "requests_per_minute": 50})
    assert made.status_code == 201
    text = made.json()["token"]
    assert (made.json()["prefix"], made.json()["state"], made.json()["user"]) == (text[:12], "valid", "root")
    assert text not in stored_text()
    mine = {"Authorization": f"Bearer {text}"}
    used = root.get("/api/v1/agents", headers=mine)
    assert (used.status_code, used.headers["x-ratelimit-limit-requests"]) == (200, "50")
    assert used.headers["x-ratelimit-remaining-requests"] == "49"
    shown = root.get(f"{TOKENS}/ci").json()
    assert "token" not in shown
    assert shown["last_used_at"] is not None
    assert root.post(f"{TOKENS}/{text[:12]}/revoke").json()["state"] == "revoked"
    assert code_of(root.get("/api/v1/agents", headers=mine)) == (401, "unauthenticated")


def test_an_expired_token_and_one_of_an_inactive_user_are_refused(root):
    user = make_user()
    token, text = create_token(user, "brief", ["agents:read"], timezone.now() + timedelta(days=1))
    mine = {"Authorization": f"Bearer {text}"}
    assert root.get("/api/v1/agents", headers=mine).status_code == 200
    user.is_active = False
    user.save()
    assert code_of(root.get("/api/v1/agents", headers=mine)) == (401, "unauthenticated")
    user.is_active = True
    user.save()
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())
    refused = root.get("/api/v1/agents", headers=mine)
    assert code_of(refused) == (401, "unauthenticated")
    assert refused.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_without_the_scope_is_refused(root):
    _, text = create_token(make_user(), "reader", ["runs:read", "runs:write", "agents:read"])
    mine = {"Authorization": f"Bearer {text}"}
    for method, address in (("GET", TOKENS), ("POST", TOKENS), ("GET", f"{TOKENS}/reader"), ("POST", "/api/v1/agents")):
        response = root.request(method, address, headers=mine, json={} if method == "POST" else None)
        assert code_of(response) == (403, "forbidden"), address
    assert "needs the scope admin" in root.get(TOKENS, headers=mine).json()["error"]["message"]


def test_who_asks_too_often_is_told_when_to_come_again(root):
    _, text = create_token(make_user(), "hasty", ["agents:read"], requests_per_minute=2)
    mine = {"Authorization": f"Bearer {text}"}
    answers = [root.get("/api/v1/agents", headers=mine) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    refused = answers[-1]
    assert refused.json()["error"]["code"] == "rate_limited"
    assert 1 <= int(refused.headers["Retry-After"]) <= 120
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.headers["x-ratelimit-reset-requests"].endswith("s")


def test_a_user_makes_and_sees_his_own_tokens_alone(root, web_server):
    with ApiUser.make(web_server, "admin", user=make_user(username="bob")) as caller:
        bob = caller.http()
        assert bob.post(TOKENS, json={"name": "his", "scopes": ["runs:read"]}).json()["user"] == "bob"
        other = bob.post(TOKENS, json={"name": "x", "scopes": ["runs:read"], "user": "root"})
        assert (code_of(other), other.json()["error"]["field"]) == ((422, "invalid"), "user")
        roots = ApiToken.objects.get(user__username="root")
        assert code_of(bob.get(f"{TOKENS}/{roots.prefix}")) == (404, "not_found")
        assert code_of(bob.post(f"{TOKENS}/{roots.prefix}/revoke")) == (404, "not_found")
        assert {token["user"] for token in bob.get(TOKENS).json()["data"]} == {"bob"}
    assert {token["user"] for token in root.get(TOKENS).json()["data"]} == {"bob", "root"}
    assert {token["user"] for token in root.get(f"{TOKENS}?user=bob").json()["data"]} == {"bob"}
    assert root.post(TOKENS, json={"name": "x", "scopes": ["runs:read"], "user": "bob"}).json()["user"] == "bob"
    assert root.post(TOKENS, json={"name": "x", "scopes": ["runs:read"], "user": "nobody"}).status_code == 422


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["root"]}, "scopes[0]"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2999-01-01T00:00:00"}, "expires_at"),
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"digest": "x"}, "digest"),
    ],
)
def test_wrong_fields_are_named(root, change, field):
    response = root.post(TOKENS, json={"name": "ci", "scopes": ["runs:read"], **change})
    assert (code_of(response), response.json()["error"]["field"]) == ((422, "invalid"), field)
    assert ApiToken.objects.count() == 1


def test_pages_follow_each_other_and_sort(root):
    for number in range(5):
        root.post(TOKENS, json={"name": f"t{number}", "scopes": ["runs:read"]})
    names, cursor = [], ""
    while cursor is not None:
        page = root.get(TOKENS, params={"sort": "name", "limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        names += [token["name"] for token in page["data"]]
        cursor = page["next"]
    assert names[:5] == [f"t{number}" for number in range(5)]
    assert code_of(root.get(f"{TOKENS}?sort=digest")) == (422, "invalid")
    assert code_of(root.get(f"{TOKENS}?cursor=x")) == (422, "invalid")


def test_a_key_makes_one_token_whose_text_is_stored_nowhere(root):
    body = {"name": "ci", "scopes": ["runs:read"]}
    key = {"Idempotency-Key": "k1"}
    first, second = root.post(TOKENS, json=body, headers=key), root.post(TOKENS, json=body, headers=key)
    assert (first.status_code, second.status_code, second.headers["Idempotent-Replayed"]) == (201, 201, "true")
    assert second.json() == first.json() | {"token": None}
    assert first.json()["token"] not in stored_text()
    assert first.json()["token"].encode() not in bytes(IdempotencyKey.objects.get().body)
    assert code_of(root.post(TOKENS, json=body | {"name": "x"}, headers=key)) == (422, "idempotency_mismatch")
    assert ApiToken.objects.filter(name="ci").count() == 1


def test_a_failed_request_leaves_its_key_free(root):
    key = {"Idempotency-Key": "k2"}
    assert root.post(TOKENS, json={"name": "ci", "scopes": ["root"]}, headers=key).status_code == 422
    assert root.post(TOKENS, json={"name": "ci", "scopes": ["runs:read"]}, headers=key).status_code == 201
