"""What is kept of an answer beside its text."""

from typing import Any

from agents.llm.types import Completion
from batches.models.batch import InputKind

from .claims import ClaimedRun

# Its reader is a program, which is shown the model's thoughts where the provider showed them.
_REQUESTS = frozenset({InputKind.CHAT, InputKind.RESPONSES})


def completion_details(run: ClaimedRun, completion: Completion) -> dict[str, Any] | None:
    """Return why the answer ended, the tools that it asks its caller to call, and what was thought; None of most.

    An answer that ended by itself and holds nothing but text has nothing else to tell.
    """
    found: dict[str, Any] = {}
    if completion.tool_calls:
        found["tool_calls"] = [
            {"id": call.id, "name": call.name, "arguments": call.arguments} for call in completion.tool_calls
        ]
    if completion.reasoning and run.input_kind in _REQUESTS:
        found["reasoning"] = completion.reasoning
    if not found and completion.finish_reason == "stop":
        return None
    return {"finish_reason": completion.finish_reason, **found}
