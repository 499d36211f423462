"""The body of an error, read whichever way a server writes it.

OpenAI: `{"error": {"message", "type", "code"}}`. Gemini puts that into a list and its reasons into `details`
(https://cloud.google.com/apis/design/errors). Mistral and other servers on FastAPI tell `detail`, as a text or as a
list of fields; vLLM's older versions and Mistral have no `error` around it; LM Studio's `error` is a text.
"""

from typing import Any

import orjson

from agents.llm.rate_headers import duration

_MOST_DETAILS = 20


def read_error(body: bytes) -> dict[str, Any]:
    """Return what `body`, which may be cut, says of an error.

    `message` is a text; `code` and `type` are as they stand there. `reason` and `retry_after` (seconds) are there where
    Gemini tells them.
    """
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    error = (parsed.get("error") or parsed) if isinstance(parsed, dict) else parsed
    if not isinstance(error, dict):
        return {"message": str(error)}
    said = {name: value for name, value in error.items() if name != "retry_after"}
    return {**said, "message": _message(error), **_details(error.get("details"))}


def _message(error: dict[str, Any]) -> str:
    said = error.get("message") or error.get("detail") or ""
    if isinstance(said, dict):
        said = said.get("detail") or said
    if isinstance(said, list):
        return "; ".join(_field_error(item) for item in said[:_MOST_DETAILS])
    return said if isinstance(said, str) else str(said)


def _field_error(item: Any) -> str:
    """Return one of FastAPI's errors, `{"loc": ["body", "seed"], "msg": "..."}`, as a text."""
    if not isinstance(item, dict):
        return str(item)
    place = item.get("loc")
    where = ".".join(map(str, place)) if isinstance(place, list) else ""
    said = str(item.get("msg") or item.get("message") or "")
    return f"{where}: {said}" if where else said


def _details(details: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in details[:_MOST_DETAILS] if isinstance(details, list) else ():
        if isinstance(item, dict):
            if isinstance(item.get("reason"), str):
                found["reason"] = item["reason"]
            delay = item.get("retryDelay")
            if isinstance(delay, str) and (seconds := duration(delay)) is not None:
                found["retry_after"] = seconds[0]
    return found
