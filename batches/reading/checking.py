"""Whether a line may become a row: `{"custom_id", "method": "POST", "url", "body"}`.

https://platform.openai.com/docs/api-reference/batch/request-input
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import orjson
import structlog
from orjson import dumps

from agents.messages import chat_messages
from agents.values import MAX_DEPTH
from batches.endpoints import Endpoint
from batches.inputs.types import MAX_CUSTOM_ID_LENGTH
from batches.models.batch import InputKind
from batches.openai_api.responses.lines import checked_line
from batches.requests import body_text, checked_body
from workers.errors import InvalidInput
from workers.json_values import MOST_CONTAINERS, is_too_full

from .models import Models, NamedModel
from .problems import BadLine, ProblemCode

_KEYS = ("custom_id", "method", "url", "body")
# Settings of lines that were found good, so that the next line with the same ones need not be asked again.
MOST_SETTINGS, LONGEST_SETTINGS = 256, 16 * 1024
# What code raises that did not reckon with a value; never a database that does not answer.
_UNFORESEEN = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
log = structlog.get_logger(__name__)
_INVALID = ProblemCode.INVALID_REQUEST


class Request(NamedTuple):
    """A line that may become a row."""

    custom_id: str
    version_id: int
    input_json: str


class LineChecker:
    """Checks the lines of one file."""

    def __init__(self, endpoint: Endpoint, models: Models) -> None:
        """Check lines that are sent to `endpoint` and name some of `models`."""
        self._endpoint = endpoint
        self._models = models
        self._passed: set[tuple[int, bytes]] = set()

    def check(self, raw: bytes) -> Request:
        """Return what a line asks for. Raises BadLine."""
        line = _parsed(raw)
        for key in _KEYS:
            if line.get(key) is None:
                raise BadLine(ProblemCode.MISSING_PARAMETER, f"Missing required parameter: '{key}'.", key)
        custom_id, body = line["custom_id"], line["body"]
        self._check_address(line["method"], line["url"])
        if type(body) is not dict:
            raise BadLine(_INVALID, "body must be an object.", "body")
        return Request(_custom_id(custom_id), *self._checked(body, raw))

    def _check_address(self, method: Any, url: Any) -> None:
        if method != "POST":
            raise BadLine(_INVALID, "method must be POST.", "method")
        if url != self._endpoint.path:
            raise BadLine(ProblemCode.URL_MISMATCH, f"url must be the batch's endpoint, {self._endpoint.path}.", "url")

    def _checked(self, body: dict[str, Any], raw: bytes) -> tuple[int, str]:
        model = self._models.named(body.get("model"))
        if body.get("stream"):
            raise BadLine(_INVALID, "stream must be false: the answers of a batch are files.", "body.stream")
        try:
            return model.version_id, self._stored(model, body, raw)
        except InvalidInput as error:
            raise BadLine(_INVALID, str(error), f"body.{error.field}" if error.field else "body") from None
        except _UNFORESEEN as error:
            # Left to fail, it would fail again whoever reads the file. What is said of it may hold a prompt.
            log.error("batch_line_not_checked", error=type(error).__name__)
            raise BadLine(_INVALID, "The body cannot be understood.", "body") from None

    def _stored(self, model: NamedModel, body: dict[str, Any], raw: bytes) -> str:
        check = partial(checked_body, model.spec, model.provider, self._endpoint.kind)
        if self._endpoint.kind == InputKind.RESPONSES:
            return checked_line(body, check)
        # A text this flat is no deeper than may be, and all else that a body may not hold its text tells.
        if self._endpoint.kind != InputKind.CHAT or raw.count(b"[") + raw.count(b"{") > MAX_DEPTH:
            return check(body)
        return self._stored_chat(model, body, check)

    def _stored_chat(self, model: NamedModel, body: dict[str, Any], check: Callable[[dict[str, Any]], str]) -> str:
        """Return what is stored of a chat. Most lines of a file differ in their messages alone."""
        settings = {name: value for name, value in body.items() if name != "messages"}
        key = (model.version_id, dumps(settings))
        if key in self._passed:
            chat_messages(body)
            return body_text(body)
        text = check(body)
        if len(self._passed) < MOST_SETTINGS and len(key[1]) <= LONGEST_SETTINGS:
            self._passed.add(key)
        return text


def _parsed(raw: bytes) -> dict[str, Any]:
    if is_too_full(raw):
        raise BadLine(_INVALID, f"The line has more than {MOST_CONTAINERS:,} objects and lists.")
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadLine(ProblemCode.INVALID_JSON_LINE, f"This line is not valid JSON: {error}.") from None
    if type(line) is not dict:
        raise BadLine(ProblemCode.INVALID_JSON_LINE, "This line is not a JSON object.")
    return line


def _custom_id(value: Any) -> str:
    if type(value) is not str or not 0 < len(value) <= MAX_CUSTOM_ID_LENGTH or "\0" in value:
        raise BadLine(_INVALID, f"custom_id must be a text of 1 to {MAX_CUSTOM_ID_LENGTH} characters.", "custom_id")
    return value


def custom_id_of(raw: bytes | None) -> str | None:
    """Return the custom_id of a line that was checked before; None where it has none that counts."""
    if raw is None or is_too_full(raw):
        return None
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    custom_id = line.get("custom_id") if type(line) is dict else None
    return custom_id if type(custom_id) is str else None
