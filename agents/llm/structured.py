"""Structured output without the provider's help: the schema as instructions, and the JSON found in what comes back."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from agents.llm.types import Message

_DEMAND = (
    "Answer with JSON alone: one value that fits the JSON schema below. No Markdown, no code fence, no words before or "
    "after it.\n\nJSON schema:\n"
)
# What must follow an opening bracket for a JSON value to begin there. Prose and code rarely get past it.
_OPENINGS = {
    "{": re.compile(r'\{(?=\s*["}])'),
    "[": re.compile(r'\[(?=\s*[\]\[{"\-0-9tfn])'),
}
_OPENINGS["{["] = re.compile("|".join(pattern.pattern for pattern in _OPENINGS.values()))
# Texts, which may hold brackets and are not always closed, and the brackets beside them.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]+|[\]}]+', re.DOTALL)
_FENCE = re.compile(r"```[^\n`]{0,40}\n")
_THOUGHTS_END = "</think>"
# Each failed try costs Python a count of the lines before it, some 1 ms in a text of 4 MB.
_MOST_TRIES = 200
# Only where values end matters here; a number is neither built nor can it be too large.
_decoder = json.JSONDecoder(parse_int=len, parse_float=len)


def with_schema_instructions(messages: Sequence[Message], schema: Mapping[str, Any]) -> tuple[Message, ...]:
    """Return `messages` with the demand for JSON that fits `schema` in the system message, made where there is none.

    For providers that cannot be given a schema in another way.
    """
    demand = _DEMAND + orjson.dumps(dict(schema)).decode()
    for place, message in enumerate(messages):
        if message.role == "system":
            return (*messages[:place], _extended(message, demand), *messages[place + 1 :])
    return (Message("system", demand), *messages)


def extract_json(text: str, opening: str = "{[") -> str:
    """Return the part of a model's answer that is its JSON; where none is found, the part that looks most like it.

    That is the first complete object or array that parses, whatever stands around it: prose, code fences, a model's
    thoughts up to `</think>`. `opening` is `{` or `[` where only an object or only an array will do. Nothing is
    repaired, and nothing within a broken value is taken for the whole. Takes time linear in the length of the text.
    """
    answer = text.rpartition(_THOUGHTS_END)[2]
    begins = _OPENINGS[opening]
    match = first = begins.search(answer)
    for _ in range(_MOST_TRIES):
        if match is None:
            break
        try:
            end = _decoder.raw_decode(answer, match.start())[1]
        except json.JSONDecodeError:
            match = begins.search(answer, _end_of_broken(answer, match.start()))
        except RecursionError:
            break
        else:
            return answer[match.start() : end]
    return _most_like_json(answer, first)


def _end_of_broken(answer: str, start: int) -> int:
    """Return where the broken value that begins at `start` ends: where as many brackets were closed as opened."""
    depth = 0
    for token in _TOKEN.finditer(answer, start):
        sign = answer[token.start()]
        if sign in "{[":
            depth += token.end() - token.start()
        elif sign != '"':
            depth -= token.end() - token.start()
            if depth <= 0:
                return token.end() + depth
    return len(answer)


def _most_like_json(answer: str, first: re.Match[str] | None) -> str:
    """Return what an error should speak of: a broken value, else what is fenced, else everything."""
    if first is not None:
        return answer[first.start() :]
    fence = _FENCE.search(answer)
    return answer[fence.end() :].partition("```")[0] if fence else answer


def _extended(message: Message, demand: str) -> Message:
    content = f"{message.content}\n\n{demand}" if message.content else demand
    parts = (*message.parts, demand) if message.parts else ()
    return replace(message, content=content, parts=parts)
