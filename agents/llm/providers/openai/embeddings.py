"""Requests for embeddings and their answers, as they stand in JSON.

Fields: https://platform.openai.com/docs/api-reference/embeddings
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from agents.llm.rate_headers import rate_limit_headers
from agents.llm.tokens import estimate_input_tokens
from agents.llm.types import Embedding, EmbeddingRequest, Usage
from workers.errors import ErrorCode, WorkError

from .answers import parse_usage
from .dialect import PLAIN, Dialect
from .errors import error_of_event
from .wire import request_id


def embedding_body(request: EmbeddingRequest, dialect: Dialect = PLAIN) -> dict[str, Any]:
    """Return the body of the call; the parameters cannot change what Arboretum fills in.

    Raises WorkError `invalid_request` where the server has no embeddings.
    """
    if not dialect.embeddings:
        raise WorkError(ErrorCode.INVALID_REQUEST, f"the provider '{dialect.provider}' has no embeddings")
    parameters = dict(request.parameters)
    body: dict[str, Any] = dict(parameters.pop("extra_body", {}))
    body |= {dialect.embedding_names.get(name, name): value for name, value in parameters.items()}
    # As numbers: servers other than OpenAI know no base64.
    return body | {"model": request.model, "input": list(request.inputs), "encoding_format": "float"}


def parse_embedding(
    parsed: dict[str, Any], headers: Mapping[str, str], request: EmbeddingRequest, secret: str
) -> Embedding:
    """Return the vectors in `parsed`, in the order of the inputs.

    Raises WorkError for an error reported in it, and `bad_response` where it does not hold a vector for each input.
    """
    if parsed.get("error"):
        raise error_of_event(parsed["error"], secret)
    items = parsed.get("data")
    if not isinstance(items, list) or len(items) != len(request.inputs):
        raise _bad(f"not {len(request.inputs)} vectors")
    vectors: dict[int, tuple[float, ...]] = {}
    for place, item in enumerate(items):
        index = item.get("index", place) if isinstance(item, dict) else None
        if type(index) is not int or not 0 <= index < len(items) or index in vectors:
            raise _bad("a vector without a place of its own")
        vectors[index] = _vector(item.get("embedding"))
    usage = parse_usage(parsed.get("usage")) or Usage(sum(map(estimate_input_tokens, request.inputs)))
    return Embedding(
        vectors=tuple(vectors[index] for index in range(len(items))),
        usage=Usage(usage.input_tokens, cached_tokens=usage.cached_tokens),
        model=str(parsed.get("model") or request.model),
        request_id=request_id(headers, parsed),
        rate_limits=rate_limit_headers(headers),
    )


def _vector(values: Any) -> tuple[float, ...]:
    if not isinstance(values, list) or not values:
        raise _bad("a vector that is no list of numbers")
    # A bool is an int to Python; orjson gives exact types.
    if any(type(value) not in (float, int) for value in values):
        raise _bad("a vector that is no list of numbers")
    vector = tuple(map(float, values))
    if not all(map(isfinite, vector)):
        raise _bad("a vector of numbers beyond all bounds")
    return vector


def _bad(what: str) -> WorkError:
    return WorkError(ErrorCode.BAD_RESPONSE, f"the answer holds {what}")
