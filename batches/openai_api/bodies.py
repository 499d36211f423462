"""What a run that succeeded is answered with: the bodies of completions and embeddings, wherever they are told.

https://platform.openai.com/docs/api-reference/chat/object and .../embeddings/object
"""

import base64
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from batches.news import FinishedRun


def completion_body(
    run_id: int, created: int, model: str, ended: FinishedRun, extension: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a chat's completion. `created` is seconds since 1970; `extension` is what it says beyond OpenAI's."""
    completion = ended.completion or {}
    choice = {
        "index": 0,
        "message": _message(ended, completion),
        "logprobs": None,
        "finish_reason": completion.get("finish_reason", "stop"),
    }
    return {
        "id": f"chatcmpl-{run_id}",
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [choice],
        "usage": usage_of(ended),
        "arboretum": extension,
    }


def embeddings_body(
    model: str, ended: FinishedRun, extension: Mapping[str, Any], *, is_base64: bool = False
) -> dict[str, Any]:
    """Return the vectors, in the order of the inputs, as numbers or packed into base64."""
    encode: Callable[[Sequence[float]], Any] = _base64 if is_base64 else list
    data = [
        {"object": "embedding", "index": place, "embedding": encode(vector)}
        for place, vector in enumerate(ended.parsed or ())
    ]
    usage = {"prompt_tokens": ended.input_tokens, "total_tokens": ended.input_tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage, "arboretum": extension}


def extension_body(run_id: int, ended: FinishedRun, agent: str | None) -> dict[str, Any]:
    """Return what an answer says of its run beyond OpenAI's fields; `agent` is `slug@3`, None of a plain model."""
    return {"run_id": run_id, "cost": float(ended.cost), "model": ended.model, "version": agent}


def usage_of(ended: FinishedRun) -> dict[str, Any]:
    """Return the usage of a completion."""
    return {
        "prompt_tokens": ended.input_tokens,
        "completion_tokens": ended.output_tokens,
        "total_tokens": ended.input_tokens + ended.output_tokens,
        "prompt_tokens_details": {"cached_tokens": ended.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": ended.reasoning_tokens},
    }


def tool_calls_of(completion: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the tools that an answer asks its caller to call, in OpenAI's shape."""
    return [
        {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
        for call in (completion or {}).get("tool_calls", ())
    ]


def _message(ended: FinishedRun, completion: Mapping[str, Any]) -> dict[str, Any]:
    calls = tool_calls_of(completion)
    # With calls alone OpenAI's content is null.
    message: dict[str, Any] = {"role": "assistant", "content": ended.output or (None if calls else ""), "refusal": None}
    if calls:
        message["tool_calls"] = calls
    if reasoning := completion.get("reasoning"):
        message["reasoning_content"] = reasoning
    return message


def _base64(vector: Sequence[float]) -> str:
    """Return a vector as OpenAI packs it: 32-bit floats, the lowest byte first."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
