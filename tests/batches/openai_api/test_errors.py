"""Exceptions become answers in OpenAI's shape."""

import json

import pytest
from django.db import OperationalError

from batches.openai_api.errors import BadRequest, error_response, missing_parameter
from credentials.api.callers import Forbidden, Unauthenticated
from workers.errors import InvalidInput, NotFound


def answered(error: Exception) -> tuple[int, dict]:
    response = error_response(error)
    return response.status_code, json.loads(response.content)["error"]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("messages[0].role must be one of: user.", "messages[0].role"),
        ("name: must not be empty", "name"),
        ("expires_after[seconds] must be from 3600 to 2592000.", "expires_after[seconds]"),
        ("There is no agent 'x'.", None),
        ("the file is too large", None),
        ("", None),
    ],
)
def test_the_field_at_fault_is_found_at_the_start_of_a_message(message: str, field: str | None):
    assert answered(InvalidInput(message)) == (
        400,
        {"message": message, "type": "invalid_request_error", "param": field, "code": None},
    )


def test_bad_requests_carry_their_parameter_and_code():
    assert answered(BadRequest("No.", "endpoint", "invalid_value")) == (
        400,
        {"message": "No.", "type": "invalid_request_error", "param": "endpoint", "code": "invalid_value"},
    )
    status, body = answered(missing_parameter("purpose"))
    assert (status, body["param"], body["code"]) == (400, "purpose", "missing_required_parameter")


def test_each_kind_of_refusal_has_its_type():
    status, body = answered(Unauthenticated("Who are you?"))
    assert (status, body["type"], body["code"]) == (401, "authentication_error", "invalid_api_key")
    status, body = answered(Forbidden("The token needs the scope x."))
    assert (status, body["type"]) == (403, "permission_error")
    status, body = answered(NotFound("There is no agent x."))
    assert (status, body["type"]) == (404, "not_found_error")


def test_a_missing_database_is_a_503_that_may_be_tried_again():
    response = error_response(OperationalError("connection to server at 10.0.0.1 failed"))
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert b"10.0.0.1" not in response.content


def test_what_nobody_expected_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture):
    status, body = answered(RuntimeError("secret detail"))
    assert (status, body["type"]) == (500, "server_error")
    assert "secret detail" not in body["message"]
    assert "api_failed" in caplog.text
