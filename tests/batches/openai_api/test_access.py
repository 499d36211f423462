"""Who comes to a handler, plain or asynchronous, and by which method."""

import json

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory

from batches.openai_api.access import json_response, needs, read_json, serve
from batches.openai_api.errors import BadRequest
from credentials.api.callers import Caller
from credentials.tokens import Scope, create_token
from tests.support.factories import make_user

FIRST, SECOND, OTHER = [scope for scope in Scope.values if scope != "admin"][:3]


@needs(FIRST, SECOND)
def show(request: HttpRequest, caller: Caller, name: str) -> HttpResponse:
    return json_response({"user": caller.user.username, "name": name})


@needs(SECOND)
async def store(request: HttpRequest, caller: Caller, name: str) -> HttpResponse:
    return json_response(read_json(request), status=201)


view = serve(GET=show, POST=store)


@pytest.fixture
def tokens(transactional_db: None) -> dict[str, str]:
    """A token for each of two scopes, of one user."""
    user = make_user(username="olga")
    return {scope: create_token(user, scope, [scope])[1] for scope in (FIRST, SECOND)}


async def ask(method: str, token: str, body: str = "") -> tuple[int, dict, HttpResponse]:
    factory = AsyncRequestFactory()
    request = factory.generic(
        method, "/v1/x", body, content_type="application/json", headers={"Authorization": f"Bearer {token}"}
    )
    response = await view(request, name="x")
    return response.status_code, json.loads(response.content), response


async def test_a_token_with_one_of_the_scopes_is_let_in(tokens: dict[str, str]):
    token = tokens[SECOND]
    assert (await ask("GET", token))[:2] == (200, {"user": "olga", "name": "x"})
    assert (await ask("POST", token, '{"a": 1}'))[:2] == (201, {"a": 1})


async def test_a_token_without_the_scope_is_forbidden(tokens: dict[str, str]):
    token = tokens[FIRST]
    status, body, _ = await ask("POST", token, "{}")
    assert (status, body["error"]["type"]) == (403, "permission_error")
    assert SECOND in body["error"]["message"]


async def test_strangers_learn_nothing_of_methods(transactional_db: None):
    status, body, response = await ask("DELETE", "arb_" + "x" * 43)
    assert (status, body["error"]["code"]) == (401, "invalid_api_key")
    assert "Allow" not in response


async def test_other_methods_are_refused_in_shape(tokens: dict[str, str]):
    token = tokens[FIRST]
    status, body, response = await ask("DELETE", token)
    assert (status, body["error"]["type"], response["Allow"]) == (405, "invalid_request_error", "GET, POST")


@pytest.mark.parametrize("body", ["", "{", "[1]", "NaN"])
def test_a_body_that_is_no_json_object_is_refused(body: str):
    request = AsyncRequestFactory().post("/v1/x", body, content_type="application/json")
    with pytest.raises(BadRequest, match="body"):
        read_json(request)
