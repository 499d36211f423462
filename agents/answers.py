"""Answers that are used again: what an identical request is, and what a store of answers does.

Opt-in, by a version's `cache_seconds`. Where the store is kept is not said here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Protocol

import orjson

from agents.llm.types import Completion, CompletionRequest, ToolCall, Usage
from agents.routing import ModelName
from workers.errors import ErrorCode, WorkError

# In front of what is digested; to be raised when the meaning of a request or of a stored answer changes.
_FORM = b"1\0"
_KEPT = ("text", "finish_reason", "model", "reasoning", "replay")


class AnswerStore(Protocol):
    """Answers by the key of their request."""

    async def find(self, keys: Sequence[str]) -> tuple[str, Completion] | None:
        """Return the first of `keys` that has an answer, with it; None where none has one that is fresh."""
        ...

    def keep(self, key: str, name: ModelName, completion: Completion) -> None:
        """Keep what model `name` has answered, some time soon; what goes wrong with that concerns nobody who asks."""
        ...


def answer_key(scope: str, operation: str, request: CompletionRequest) -> str:
    """Return the key of `request`: equal where all that the model is told is equal, 64 hexadecimal digits.

    `scope` names the place that answers (ModelName). Time limits and correlation ids are not told to the model. Raises
    WorkError `invalid_request` where the request cannot be written, as sending it would.
    """
    told = {
        "scope": scope,
        "operation": operation,
        "model": request.model,
        "messages": request.messages,
        "tools": request.tools,
        "parameters": request.parameters,
        "schema": request.output_schema,
    }
    # Sorted: who writes the same parameters in another order asks the same.
    try:
        data = orjson.dumps(told, default=dict, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    except (TypeError, ValueError) as error:
        # Only the type is told: the text may quote the prompt.
        why = f"{type(error).__name__}: not valid as JSON"
        raise WorkError(ErrorCode.INVALID_REQUEST, f"the request cannot be sent ({why})") from None
    return blake2b(_FORM + data, digest_size=32).hexdigest()


def request_keys(names: Sequence[ModelName], operation: str, request: CompletionRequest) -> list[str]:
    """Return the key of `request` for each of the models `names`, in their order."""
    own = request.model
    return [
        answer_key(name.scope, operation, request if name.model == own else replace(request, model=name.model))
        for name in names
    ]


def answer_json(completion: Completion) -> str:
    """Return what is kept of an answer, as JSON."""
    kept: dict[str, Any] = {name: getattr(completion, name) for name in _KEPT}
    kept["tool_calls"] = [[call.id, call.name, call.arguments] for call in completion.tool_calls]
    return orjson.dumps(kept, default=dict).decode()


def stored_completion(text: str) -> Completion:
    """Return the answer that was kept as `text`, marked as cached and of no tokens. Raises ValueError if it is none."""
    kept: Mapping[str, Any] = orjson.loads(text)
    try:
        calls = tuple(ToolCall(*call) for call in kept["tool_calls"])
        values = {name: kept[name] for name in _KEPT}
    except (KeyError, TypeError) as error:
        raise ValueError(f"no stored answer: {type(error).__name__}") from None
    return Completion(**values, tool_calls=calls, usage=Usage(), is_cached=True)
