"""Why an answer ended, in the words of the servers that speak chat completions."""

from typing import Any

from agents.llm.errors import BilledError
from agents.llm.types import Usage
from workers.errors import ErrorCode

_WITHHELD = "the provider's content filter withheld the answer"
_NO_CALL = "the model wrote a tool call that its server cannot read"
# Gemini passes on words of its own, in capitals: https://ai.google.dev/api/generate-content#FinishReason. Mistral has
# `model_length` and `error`, DeepSeek `insufficient_system_resource`, OpenRouter `error`, vLLM `abort`.
_FAILURES = {
    "content_filter": (ErrorCode.CONTENT_POLICY, _WITHHELD),
    "safety": (ErrorCode.CONTENT_POLICY, _WITHHELD),
    "recitation": (ErrorCode.CONTENT_POLICY, _WITHHELD),
    "blocklist": (ErrorCode.CONTENT_POLICY, _WITHHELD),
    "prohibited_content": (ErrorCode.CONTENT_POLICY, _WITHHELD),
    "spii": (ErrorCode.CONTENT_POLICY, _WITHHELD),
    "malformed_function_call": (ErrorCode.BAD_RESPONSE, _NO_CALL),
    "unexpected_tool_call": (ErrorCode.BAD_RESPONSE, _NO_CALL),
    "function_call_filter": (ErrorCode.BAD_RESPONSE, _NO_CALL),
    "error": (ErrorCode.SERVER_ERROR, "the server broke off the answer"),
    "abort": (ErrorCode.SERVER_ERROR, "the server broke off the answer"),
    "insufficient_system_resource": (ErrorCode.OVERLOADED, "the server broke off the answer for want of resources"),
}
_SAME = {"model_length": "length", "max_tokens": "length"}


def ending(reason: Any, usage: Usage, *, has_calls: bool) -> str:
    """Return why the answer ended, in OpenAI's words where there is one for it.

    Raises BilledError where it ended before its end, or is withheld: what there is of it is no answer. Servers give
    many reasons for one that ends with tool calls, and none at all.
    """
    told = str(reason or "stop")
    # Gemini's may go on after a colon: `content_filter: RECITATION`.
    word = told[:100].partition(":")[0].strip().lower()
    if word in _FAILURES:
        code, message = _FAILURES[word]
        raise BilledError(code, message, usage)
    if word in ("stop", "function_call") and has_calls:
        return "tool_calls"
    return "stop" if word == "stop" else _SAME.get(word, told)
