"""What happens around every request of the API."""

import asyncio
import json
import threading

import pytest
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from credentials.api.threads import in_database
from credentials.tokens import create_token
from tests.support.factories import make_user
from workers.errors import Conflict


async def echo(request: HttpRequest) -> JsonResponse:
    threads = [thread.name for thread in threading.enumerate()]
    return JsonResponse({"threads": threads, "session": hasattr(request, "session"), "user": hasattr(request, "user")})


async def fail(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError("the secret is hush-hush")


async def conflict(request: HttpRequest) -> HttpResponse:
    raise Conflict("Batch 3 is paused; this needs it to be running.")


async def not_allowed(request: HttpRequest) -> HttpResponse:
    return HttpResponse("no", status=405, headers={"Allow": "GET"})


def plain(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"thread": threading.current_thread().name})


def closed(request: HttpRequest) -> JsonResponse:
    return JsonResponse({})


urlpatterns = [
    path("api/v1/echo", echo),
    path("api/v1/fail", fail),
    path("api/v1/conflict", conflict),
    path("api/v1/not-allowed", not_allowed),
    path("v1/plain", plain),
    path("page", csrf_exempt(login_not_required(plain))),
    path("closed", closed),
    path("", include("dashboard.urls")),
]

pytestmark = [pytest.mark.security, pytest.mark.urls(__name__)]


@pytest.fixture(params=["async", "sync"])
def get(request, client: Client, async_client: AsyncClient):
    client.raise_request_exception = async_client.raise_request_exception = False

    async def ask(address: str, method: str = "get", **headers: str):
        if request.param == "async":
            return await getattr(async_client, method)(address, headers=headers)
        return await asyncio.to_thread(getattr(client, method), address, headers=headers)

    return ask


async def test_answers_carry_an_id_and_are_kept_by_nobody(get):
    response = await get("/api/v1/echo")
    assert response.status_code == 200
    assert response["X-Request-ID"].startswith("req_")
    assert (response["Cache-Control"], response["X-Content-Type-Options"]) == ("no-store", "nosniff")
    assert response["Content-Length"] == str(len(response.content))
    assert not response.cookies


async def test_the_callers_own_id_is_taken_where_it_is_printable(get):
    assert (await get("/api/v1/echo", **{"X-Request-ID": "mine 1"}))["X-Request-ID"] == "mine 1"
    for bad in ("x" * 129, "a\tb", "ü"):
        assert (await get("/api/v1/echo", **{"X-Request-ID": bad}))["X-Request-ID"].startswith("req_")


async def test_neither_sessions_nor_cross_site_tokens_nor_sign_in_concern_it(get):
    told = (await get("/api/v1/echo", "post")).json()
    assert (told["session"], told["user"]) == (False, False)


async def test_an_asynchronous_view_is_reached_without_a_thread(async_client: AsyncClient):
    before = {thread.name for thread in threading.enumerate()}
    told = (await async_client.get("/api/v1/echo")).json()
    assert set(told["threads"]) <= before


async def test_an_address_that_there_is_not_is_told_in_the_faces_shape(get):
    for address in ("/api/v1/nothing", "/api/v1/"):
        response = await get(address)
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["request_id"]) == (
            404,
            "not_found",
            response["X-Request-ID"],
        )
    for address in ("/v1/nothing", "/v1/"):
        response = await get(address)
        error = response.json()["error"]
        assert (response.status_code, error["type"], error["code"]) == (404, "not_found_error", None)


async def test_a_fault_of_ours_is_logged_and_its_text_told_to_nobody(get, caplog):
    response = await get("/api/v1/fail")
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal")
    assert b"hush" not in response.content
    (line,) = [record.msg for record in caplog.records if "api_failed" in str(record.msg)]
    assert isinstance(line["exc_info"], ZeroDivisionError)


async def test_what_a_view_raises_is_told_as_what_it_is(get):
    response = await get("/api/v1/conflict")
    assert response.status_code == 409
    assert response.json()["error"]["message"] == "Batch 3 is paused; this needs it to be running."


@pytest.mark.django_db(transaction=True)
async def test_only_who_has_a_token_learns_which_methods_an_address_takes(get):
    response = await get("/api/v1/not-allowed")
    assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthenticated")
    _, text = await in_database(lambda: create_token(make_user(), "ci", ["runs:read"]))
    response = await get("/api/v1/not-allowed", Authorization=f"Bearer {text}")
    assert (response.status_code, response["Allow"]) == (405, "GET")
    assert response.json()["error"]["code"] == "method_not_allowed"


async def test_a_foreign_host_is_refused(get):
    response = await get("/api/v1/echo", host="evil.example")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid")


async def test_one_line_in_the_log_without_the_query(get, caplog):
    with override_settings(DJANGO_STRUCTLOG_STATUS_DEFAULT_LOG_LEVEL=40):
        response = await get("/api/v1/echo?where=somebodys-name")
    lines = [record.msg for record in caplog.records if "request_finished" in str(record.msg)]
    assert len(lines) == 1
    line = lines[0]
    assert (line["request"], line["code"], line["request_id"]) == ("GET /api/v1/echo", 200, response["X-Request-ID"])
    assert "somebodys-name" not in json.dumps(line)


async def test_pages_keep_what_is_theirs(get):
    page = await get("/page")
    assert (page["X-Frame-Options"], "X-Request-ID" in page) == ("DENY", False)
    assert "default-src" in page["Content-Security-Policy"]
    closed = await get("/closed")
    assert (closed.status_code, closed["Location"].partition("?")[0]) == (302, "/sign-in/")
