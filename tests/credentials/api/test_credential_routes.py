"""Credentials, models and their limits over the native API, on a running server."""

import httpx2
import pytest

from credentials.models import Credential
from tests.support.api_user import ApiUser
from tests.support.factories import make_credential, make_superuser

pytestmark = pytest.mark.django_db(transaction=True)
KEY = "sk-very-secret-key-abcd"


def test_a_key_goes_in_and_never_comes_out(api: ApiUser) -> None:
    http = api.http()

    made = http.post("/api/v1/credentials", json={"name": "mine", "provider": "openai", "key": KEY})
    changed = http.patch("/api/v1/credentials/mine", json={"key": KEY + "-wxyz", "organisation": "org"})
    refused = http.post("/api/v1/credentials", json={"name": "mine", "provider": "openai", "key": KEY, "kee": KEY})
    shown = [http.get("/api/v1/credentials"), http.get("/api/v1/credentials/mine")]

    assert (made.status_code, made.json()["key"]) == (201, "…abcd")
    assert (changed.json()["key"], changed.json()["organisation"]) == ("…wxyz", "org")
    assert Credential.objects.get().reveal_key() == KEY + "-wxyz"
    assert refused.status_code == 422
    assert all(KEY not in answer.text for answer in [made, changed, refused, *shown])
    assert KEY not in api.server.log


def test_what_a_credential_may_not_be_is_refused(api: ApiUser) -> None:
    http = api.http()

    def refusal(**body: str) -> str:
        answer = http.post("/api/v1/credentials", json={"name": "x", "provider": "openai", "key": KEY, **body})
        assert answer.status_code == 422
        return str(answer.json()["error"]["field"])

    assert refusal(base_url="http://169.254.169.254/") == "base_url"
    assert refusal(provider="nobody") == "provider"
    assert refusal(name="a/b") == "name"
    assert refusal(key="") == "key"
    assert refusal(environment="moon") == "environment"
    assert http.patch("/api/v1/credentials/none", json={"name": "y"}).status_code == 404
    assert not Credential.objects.exists()


def test_a_credential_is_taken_out_of_use_and_put_back_and_checked(api: ApiUser) -> None:
    http = api.http()
    make_credential(api.user, name="sim")

    off = http.post("/api/v1/credentials/sim/disable").json()
    failed = http.post("/api/v1/credentials/sim/check").json()
    on = http.post("/api/v1/credentials/sim/enable").json()
    checked = http.post("/api/v1/credentials/sim/check", json={}).json()

    assert [off["is_active"], on["is_active"]] == [False, True]
    assert (failed["is_ok"], failed["error"]["code"]) == (False, "invalid_key")
    assert (checked["is_ok"], checked["error"], "sim-small" in checked["models"]) == (True, None, True)
    assert http.get("/api/v1/credentials/sim").json()["checked_at"] is not None


def test_limits_and_prices_are_set_and_shown_with_what_is_known(api: ApiUser) -> None:
    http = api.http()
    make_credential(api.user, name="sim")
    path = "/api/v1/credentials/sim/models"

    made = http.patch(f"{path}/maker/model-1", json={"requests_per_minute": 60, "input_price": 0.15}).json()
    changed = http.patch(f"{path}/maker/model-1", json={"input_price": None, "max_concurrency": 5}).json()
    defaults = http.patch(f"{path}/*", json={"output_price": 2}).json()
    listed = http.get("/api/v1/models", params={"credential": "sim"}).json()
    known = http.get("/api/v1/models/known", params={"credential": "sim"}).json()["data"]

    assert (made["model"], made["requests_per_minute"], made["input_price"]) == ("maker/model-1", 60, 0.15)
    assert (changed["input_price"], changed["max_concurrency"], changed["requests_per_minute"]) == (None, 5, 60)
    assert (defaults["model"], defaults["output_price"]) == ("*", 2.0)
    assert [model["model"] for model in listed["data"]] == ["*", "maker/model-1"]
    assert (listed["is_live"], listed["data"][1]["held_back_by"], listed["data"][1]["now"]) == (True, None, None)
    assert {(model["model"], model["output_price"], model["set_here"]) for model in known} >= {("sim-small", 2.0, True)}
    assert http.patch(f"{path}/m", json={}).status_code == 422
    assert http.patch(f"{path}/m", json={"requests_per_minute": 0}).json()["error"]["field"] == "requests_per_minute"
    assert http.patch(f"{path}/m", json={"input_price": 0.1234567}).json()["error"]["field"] == "input_price"
    assert http.post("/api/v1/credentials/sim/unblock", json={"model": "m"}).json()["was_blocked"] is False


def test_a_stranger_sees_none_and_a_reader_changes_none(api: ApiUser) -> None:
    make_credential(api.user, name="sim")
    stranger, reader = api.another().http(), api.another("credentials:read", same_user=True).http()

    assert stranger.get("/api/v1/credentials").json()["data"] == []
    assert stranger.get("/api/v1/models").json()["data"] == []
    assert stranger.get("/api/v1/credentials/sim").status_code == 404
    assert reader.get("/api/v1/credentials/sim").status_code == 200
    for verb in ("disable", "enable", "check", "unblock"):
        assert stranger.post(f"/api/v1/credentials/sim/{verb}").status_code == 404, verb
        assert reader.post(f"/api/v1/credentials/sim/{verb}").status_code == 403, verb
    for http in (stranger, reader):
        refused = http.patch("/api/v1/credentials/sim/models/m", json={"requests_per_minute": 1})
        assert refused.status_code in (403, 404)


def test_only_a_superuser_with_the_scope_encrypts_all_keys_anew(api: ApiUser) -> None:
    make_credential(api.user, name="sim", key=KEY)
    root = make_superuser()

    def rotate(*scopes: str, user: object) -> httpx2.Response:
        with ApiUser.make(api.server, *scopes, user=user) as caller:  # type: ignore[arg-type]
            return caller.http().post("/api/v1/encryption/rotate")

    assert rotate("admin", user=api.user).status_code == 403
    assert rotate("credentials:write", user=root).status_code == 403
    assert rotate("admin", user=root).json() == {"rotated": 0, "current": 1, "failed": []}
