"""What a run has answered, as the items of a response, and as the message that the next request goes on from."""

from collections.abc import Mapping
from typing import Any

from batches.news import FinishedRun
from batches.states import RunState

from .ids import item_id

COMPLETED = "completed"
INCOMPLETE = "incomplete"
IN_PROGRESS = "in_progress"
# Why an answer ended before its end, by how a chat says it.
# https://platform.openai.com/docs/api-reference/responses/object#responses-object-incomplete_details
_CUT = {"length": "max_output_tokens", "content_filter": "content_filter"}


def cut_reason(finished: FinishedRun) -> str | None:
    """Return why the answer is not whole; None where it is, or where there is none."""
    ended = (finished.completion or {}).get("finish_reason")
    return _CUT.get(ended) if finished.state == RunState.SUCCEEDED and isinstance(ended, str) else None


def output_items(run_id: int, finished: FinishedRun, *, is_streamed: bool) -> list[dict[str, Any]]:
    """Return the items of an answer: thoughts, text, calls; none of a run that failed.

    Where it was streamed the text comes first: it was told before anybody knew of the thoughts.
    """
    if finished.state != RunState.SUCCEEDED:
        return []
    details = finished.completion or {}
    calls: list[Mapping[str, str]] = details.get("tool_calls", [])
    status = COMPLETED if cut_reason(finished) is None else INCOMPLETE
    first: list[dict[str, Any]] = []
    if details.get("reasoning"):
        first.append(reasoning_item(run_id, details["reasoning"]))
    if finished.output or not calls:
        message = message_item(item_id("msg", run_id), finished.output or "", status)
        first = [message, *first] if is_streamed else [*first, message]
    return first + [call_item(run_id, place, call) for place, call in enumerate(calls)]


def message_item(name: str, text: str, status: str = COMPLETED) -> dict[str, Any]:
    """Return the item of a text."""
    return {"id": name, "type": "message", "status": status, "role": "assistant", "content": [text_part(text)]}


def text_part(text: str) -> dict[str, Any]:
    """Return a text as part of a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def reasoning_item(run_id: int, text: str) -> dict[str, Any]:
    """Return the item of a model's thoughts."""
    return {"id": item_id("rs", run_id), "type": "reasoning", "summary": [{"type": "summary_text", "text": text}]}


def call_item(run_id: int, place: int, call: Mapping[str, str], status: str = COMPLETED) -> dict[str, Any]:
    """Return the item of a tool's call, which the caller is to make."""
    return {
        "id": item_id("fc", run_id, place),
        "type": "function_call",
        "status": status,
        "call_id": call["id"],
        "name": call["name"],
        "arguments": call["arguments"],
    }


def answer_message(finished: FinishedRun) -> dict[str, Any]:
    """Return an answer as a message of a chat."""
    calls = [
        {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
        for call in (finished.completion or {}).get("tool_calls", [])
    ]
    message = {"role": "assistant", "content": finished.output or ("" if not calls else None)}
    return {**message, "tool_calls": calls} if calls else message
