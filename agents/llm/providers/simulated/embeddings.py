"""Simulated embeddings: a vector of length 1 that follows from the seed, the model and the text."""

import math
from hashlib import blake2b
from random import Random

from agents.llm.tokens import estimate_input_tokens
from agents.llm.types import CompletionRequest, Embedding, EmbeddingInput, EmbeddingRequest, Message, Usage
from workers.errors import ErrorCode, WorkError

DIMENSIONS = 64
MAX_DIMENSIONS = 4096


def as_call(request: EmbeddingRequest) -> CompletionRequest:
    """Return the call whose latency and errors `request` has: that of its texts."""
    messages = tuple(Message("user", text_of(value)) for value in request.inputs)
    return CompletionRequest(request.model, messages, parameters=request.parameters)


def embed(request: EmbeddingRequest, seed: int, number: int) -> Embedding:
    """Return the vectors; `number` counts the client's calls. Raises WorkError for impossible `dimensions`."""
    size = request.parameters.get("dimensions", DIMENSIONS)
    if type(size) is not int or not 1 <= size <= MAX_DIMENSIONS:
        allowed = f"dimensions must be a whole number from 1 to {MAX_DIMENSIONS}"
        raise WorkError(ErrorCode.INVALID_REQUEST, allowed)
    vectors = tuple(_vector(f"{seed}\0{request.model}\0{text_of(value)}", size) for value in request.inputs)
    usage = Usage(sum(map(estimate_input_tokens, request.inputs)))
    return Embedding(vectors, usage, request.model, f"sim-embedding-{number}")


def text_of(value: EmbeddingInput) -> str:
    """Return the text that stands for an input; tokens are their numbers, since no vocabulary is here."""
    return value if isinstance(value, str) else " ".join(map(str, value))


def _vector(text: str, size: int) -> tuple[float, ...]:
    """Return a direction drawn evenly: normal draws in each dimension, scaled to length 1."""
    draws = Random(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest())
    values = [draws.gauss() for _ in range(size)]
    length = math.hypot(*values)
    return tuple(value / length for value in values)
