"""What an exception means to who called."""

import json

import pytest
import redis
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, ValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.http.multipartparser import MultiPartParserError
from django.test import RequestFactory

from credentials.api.allowance import Allowance
from credentials.api.callers import Forbidden, TooMany, Unauthenticated
from credentials.api.errors import native_error, problem_of
from credentials.idempotency import IdempotencyMismatch
from workers.errors import Conflict, InvalidInput, NotFound, ServerUnavailable, TooLarge

REQUEST = RequestFactory().get("/api/v1/agents", headers={"X-Request-ID": "r1"})


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidInput("no"), 422, "invalid"),
        (ValidationError({"name": "no"}), 422, "invalid"),
        (IdempotencyMismatch("no"), 422, "idempotency_mismatch"),
        (NotFound("no"), 404, "not_found"),
        (Http404("no"), 404, "not_found"),
        (Conflict("no"), 409, "conflict"),
        (TooLarge("no"), 413, "too_large"),
        (MultiPartParserError("no"), 422, "invalid"),
        (RequestDataTooBig("no"), 413, "too_large"),
        (SuspiciousOperation("no"), 400, "invalid"),
        (Unauthenticated("no"), 401, "unauthenticated"),
        (Forbidden("no"), 403, "forbidden"),
        (PermissionDenied("no"), 403, "forbidden"),
        (TooMany(Allowance(5, 0, 9.0, 3.2)), 429, "rate_limited"),
        (OperationalError("server closed"), 503, "unavailable"),
        (InterfaceError("closed"), 503, "unavailable"),
        (redis.ConnectionError("gone"), 503, "unavailable"),
        (redis.TimeoutError("gone"), 503, "unavailable"),
        (ServerUnavailable("gone"), 503, "unavailable"),
        (RuntimeError("a bug"), 500, "internal"),
        (KeyError("a bug"), 500, "internal"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_status_and_code(error, status, code):
    response = native_error(REQUEST, error)
    told = json.loads(response.content)["error"]
    assert (response.status_code, told["code"], told["request_id"]) == (status, code, "r1")
    assert set(told) == {"code", "message", "field", "request_id"}


@pytest.mark.security
@pytest.mark.parametrize("error", [RuntimeError("hush"), OperationalError("hush"), redis.ConnectionError("hush")])
def test_the_text_of_a_fault_is_told_to_nobody(error):
    assert b"hush" not in native_error(REQUEST, error).content


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("name: is taken", "name"),
        ("weight is 0; allowed: 1 to 100", "weight"),
        ("messages[0].role must be one of: user", "messages[0].role"),
        ("limits.max_cost: no", "limits.max_cost"),
        ("Batch 3 is paused", None),
        ("There is no agent 'x'.", None),
        ("it is late", None),
        ("no field here", None),
    ],
)
def test_the_field_is_what_the_message_begins_with(message, field):
    assert problem_of(InvalidInput(message)).field == field


def test_headers_say_what_to_do():
    assert native_error(REQUEST, Unauthenticated("no"))["WWW-Authenticate"] == "Bearer"
    assert native_error(REQUEST, OperationalError("no"))["Retry-After"] == "5"
    limited = native_error(REQUEST, TooMany(Allowance(5, 0, 9.0, 3.2)))
    assert (limited["Retry-After"], limited["x-ratelimit-limit-requests"]) == ("4", "5")
    assert limited["x-ratelimit-reset-requests"] == "9.000s"
