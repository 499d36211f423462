"""Who calls, and what the token allows."""

import pytest
from django.test import AsyncRequestFactory

from credentials.api import allowance
from credentials.api.callers import Caller, Forbidden, TooMany, Unauthenticated, allowance_of, authenticate
from credentials.api.threads import in_database
from credentials.tokens import create_token, revoke_token
from tests.support.factories import make_user
from workers.redis import connection

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.security]

factory = AsyncRequestFactory()


def request_with(header: str | None):
    return factory.get("/v1/models", headers={} if header is None else {"Authorization": header})


def make_token(*scopes: str, **fields):
    return create_token(make_user(), "ci", scopes or ["runs:read"], **fields)


async def test_a_token_names_its_user_whatever_the_case_of_the_scheme():
    token, text = await in_database(make_token)
    for scheme in ("Bearer", "bearer", "BEARER "):
        caller = await authenticate(request_with(f"{scheme} {text}"))
        assert (caller.token, caller.user) == (token, token.user)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "arb_x", "Bearer arb_x", "Bearer \x00"]
)
async def test_all_else_is_nobody(header):
    with pytest.raises(Unauthenticated):
        await authenticate(request_with(header))


async def test_a_revoked_token_is_void_at_once():
    token, text = await in_database(make_token)
    await authenticate(request_with(f"Bearer {text}"))
    await in_database(revoke_token, token)
    with pytest.raises(Unauthenticated, match="revoked"):
        await authenticate(request_with(f"Bearer {text}"))


async def test_scopes_do_not_include_each_other_but_admin_includes_all():
    writer, _ = await in_database(make_token, "runs:write")
    caller = Caller(writer.user, writer)
    caller.require("runs:write")
    caller.require("agents:read", "runs:write")
    with pytest.raises(Forbidden, match="needs the scope runs:read; it has runs:write"):
        caller.require("runs:read")
    admin, _ = await in_database(make_token, "admin")
    Caller(admin.user, admin).require("credentials:write")


async def test_requests_are_counted_once_each_and_refused_above_the_limit():
    _, text = await in_database(make_token, requests_per_minute=3)
    for left in (2, 1, 0):
        request = request_with(f"Bearer {text}")
        await authenticate(request)
        assert await authenticate(request)
        assert allowance_of(request).remaining == left
    with pytest.raises(TooMany) as refused:
        await authenticate(request_with(f"Bearer {text}"))
    headers = refused.value.allowance.headers()
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("3", "0")
    assert 1 <= int(headers["Retry-After"]) <= 120


async def test_the_setting_holds_where_the_token_has_no_limit_of_its_own(settings):
    settings.ARBORETUM_TOKEN_REQUESTS_PER_MINUTE = 1
    _, text = await in_database(make_token)
    await authenticate(request_with(f"Bearer {text}"))
    with pytest.raises(TooMany):
        await authenticate(request_with(f"Bearer {text}"))


async def test_nobody_is_held_back_while_redis_is_away(settings, monkeypatch):
    monkeypatch.setattr(allowance, "_paused_until", 0.0)
    _, text = await in_database(make_token, requests_per_minute=1)
    working = settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    for _ in range(3):
        request = request_with(f"Bearer {text}")
        await authenticate(request)
        assert allowance_of(request) is None
    settings.REDIS_URL = working
    monkeypatch.setattr(allowance, "_paused_until", 0.0)
    await authenticate(request_with(f"Bearer {text}"))
    assert connection().keys("arboretum:requests:*")
