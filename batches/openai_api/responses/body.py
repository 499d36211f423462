"""A run as a response.

https://platform.openai.com/docs/api-reference/responses/object
"""

from collections.abc import Mapping
from typing import Any

from batches.news import FinishedRun
from batches.states import RunState
from workers.errors import ErrorCode

from .ids import response_id
from .output import COMPLETED, IN_PROGRESS, INCOMPLETE, cut_reason, output_items

_STATUSES = {
    RunState.PENDING: "queued",
    RunState.QUEUED: "queued",
    RunState.RUNNING: IN_PROGRESS,
    RunState.WAITING: IN_PROGRESS,
    RunState.SUCCEEDED: COMPLETED,
    RunState.FAILED: "failed",
    RunState.CANCELLED: "cancelled",
    RunState.EXPIRED: "failed",
}
# What is told again as it was asked; else this.
_ECHOED: Mapping[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": None,
    "store": True,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "user": None,
}
_INVALID = frozenset({ErrorCode.INVALID_REQUEST, ErrorCode.CONTENT_POLICY, ErrorCode.CONTEXT_LENGTH})
_LIMITED = frozenset({ErrorCode.RATE_LIMITED, ErrorCode.OVERLOADED, ErrorCode.QUOTA_EXHAUSTED})


def response_body(
    run_id: int,
    request: Mapping[str, Any],
    created_at: float,
    state: str,
    finished: FinishedRun | None = None,
    completed_at: float | None = None,
    extension: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the response that a run is. `request` is what was asked; times are seconds since 1970.

    `state` is the run's; `finished` how it ended, None before that. `extension` is what is said of the run beyond
    OpenAI's fields.
    """
    reason = None if finished is None else cut_reason(finished)
    status = INCOMPLETE if reason else _STATUSES[RunState(state)]
    return {
        "id": response_id(run_id),
        "object": "response",
        "created_at": int(created_at),
        "completed_at": int(completed_at) if completed_at is not None and status == COMPLETED else None,
        "status": status,
        "model": request.get("model"),
        "output": [] if finished is None else output_items(run_id, finished, is_streamed=bool(request.get("stream"))),
        "error": None if finished is None else _error(finished),
        "incomplete_details": {"reason": reason} if reason else None,
        "usage": None if finished is None else _usage(finished),
        **{name: usual if request.get(name) is None else request[name] for name, usual in _ECHOED.items()},
        # What a request says of it is not obeyed: nothing is ever cut from a conversation.
        "truncation": "disabled",
        **({} if extension is None else {"arboretum": extension}),
    }


def _error(finished: FinishedRun) -> dict[str, Any] | None:
    if finished.state not in (RunState.FAILED, RunState.EXPIRED):
        return None
    code = finished.error_code or ""
    kind = "invalid_prompt" if code in _INVALID else "rate_limit_exceeded" if code in _LIMITED else "server_error"
    return {"code": kind, "message": finished.error_message or f"The run ended as {finished.state}."}


def _usage(finished: FinishedRun) -> dict[str, Any] | None:
    total = finished.input_tokens + finished.output_tokens
    if finished.state != RunState.SUCCEEDED and not total:
        return None
    return {
        "input_tokens": finished.input_tokens,
        "input_tokens_details": {"cached_tokens": finished.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": finished.output_tokens,
        "output_tokens_details": {"reasoning_tokens": finished.reasoning_tokens},
        "total_tokens": total,
    }
