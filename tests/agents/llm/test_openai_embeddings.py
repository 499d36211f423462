"""How the openai provider asks for embeddings, and what it makes of wrong answers."""

from typing import Any

import pytest

from agents.llm.client import LLMClient
from agents.llm.providers.openai.embeddings import embedding_body, parse_embedding
from agents.llm.types import EmbeddingRequest
from tests.support.provider_server import FakeServer
from tests.support.provider_server.embeddings import vector_of
from workers.errors import ErrorCode, WorkError

ONE = EmbeddingRequest("m", ("a",))


def answer(*data: Any, **values: Any) -> dict[str, Any]:
    return {"data": list(data), **values}


async def test_vectors_stand_in_the_order_of_the_inputs(server: FakeServer, openai_client: LLMClient):
    embedding = await openai_client.embed(EmbeddingRequest("m", ("first", "second", "third"), timeout=5))
    # The server tells them in reverse order. Numbers pass through JSON without a loss.
    assert [list(vector) for vector in embedding.vectors] == [vector_of(text) for text in ("first", "second", "third")]


def test_parameters_pass_and_cannot_replace_what_arboretum_fills_in():
    hostile = {"dimensions": 3, "input": "x", "model": "y", "extra_body": {"encoding_format": "base64", "truncate": 1}}
    assert embedding_body(EmbeddingRequest("m", ("a",), hostile)) == {
        "model": "m",
        "input": ["a"],
        "encoding_format": "float",
        "dimensions": 3,
        "truncate": 1,
    }


@pytest.mark.parametrize(
    "parsed",
    [
        {},
        {"data": "odd"},
        answer(),
        answer({"embedding": [1.0]}, {"embedding": [1.0]}),
        answer(None),
        answer({"embedding": []}),
        answer({"embedding": "AAAA"}),
        answer({"embedding": [1.0, None]}),
        answer({"embedding": [True]}),
        answer({"embedding": [1e308 * 10]}),
        answer({"embedding": [1.0], "index": 1}),
        answer({"embedding": [1.0], "index": "0"}),
    ],
)
def test_answers_without_a_vector_for_each_input_are_errors(parsed: dict[str, Any]):
    with pytest.raises(WorkError) as caught:
        parse_embedding(parsed, {}, ONE, "")
    assert caught.value.code is ErrorCode.BAD_RESPONSE


def test_the_same_place_twice_is_an_error():
    two = EmbeddingRequest("m", ("a", "b"))
    with pytest.raises(WorkError, match="without a place of its own"):
        parse_embedding(answer({"embedding": [1], "index": 0}, {"embedding": [2], "index": 0}), {}, two, "")


def test_missing_index_and_usage_are_made_up_for():
    two = EmbeddingRequest("m", ("abcd", "efgh"))
    embedding = parse_embedding(answer({"embedding": [1]}, {"embedding": [2.5]}), {}, two, "")
    assert embedding.vectors == ((1.0,), (2.5,))
    assert embedding.usage.input_tokens == 2


async def test_an_answer_too_large_is_refused(server: FakeServer, openai_client: LLMClient):
    with pytest.raises(WorkError, match="larger than"):
        await openai_client.embed(EmbeddingRequest("m", ("x",) * 4000, {"dimensions": 64}, timeout=5))
