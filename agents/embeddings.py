"""Embeddings as an agent's operation: the prompt of a row in, its vector out."""

from collections.abc import Mapping, Sequence

import orjson

from agents.llm.client import LLMClient
from agents.llm.parameters import Rule, json_object, text, whole
from agents.llm.types import (
    Completion,
    CompletionRequest,
    EmbeddingInput,
    EmbeddingRequest,
    Message,
)

# OpenAI's, which compatible servers share: https://platform.openai.com/docs/api-reference/embeddings
EMBEDDING_PARAMETERS: Mapping[str, Rule] = {
    "dimensions": whole(1, 65_536),
    "user": text,
    "extra_body": json_object,
}


async def embed(client: LLMClient, request: CompletionRequest, *, each: bool = False) -> Completion:
    """Return the vector of the request's only text as a completion, whose text is the vector as JSON.

    With `each`, every message is a text of its own, and the completion holds a list of their vectors. Limits, prices,
    the store of answers and records so treat it like any other call. Raises WorkError.
    """
    asked = EmbeddingRequest(
        request.model, _inputs(request.messages, each), request.parameters, request.timeout, request.correlation_id
    )
    answer = await client.embed(asked)
    return Completion(
        text=orjson.dumps(answer.vectors if each else answer.vectors[0]).decode(),
        usage=answer.usage,
        model=answer.model,
        request_id=answer.request_id,
        rate_limits=answer.rate_limits,
    )


def _inputs(messages: Sequence[Message], each: bool) -> tuple[EmbeddingInput, ...]:
    return tuple(map(_input, messages)) if each else (input_text(messages),)


def _input(message: Message) -> EmbeddingInput:
    return message.tokens or message.content


def input_text(messages: Sequence[Message]) -> str:
    """Return what is embedded: the texts of the messages, apart by an empty line."""
    return "\n\n".join(message.content for message in messages)
