"""Stored answers: what an identical request is."""

import pytest

from agents.answers import answer_key
from agents.llm.types import CompletionRequest, FilePart, ImagePart, Message
from workers.errors import ErrorCode, WorkError


def key(*messages: Message, **fields: object) -> str:
    return answer_key("1", "chat", CompletionRequest("m", messages, **fields))  # type: ignore[arg-type]


def test_the_order_of_parameters_and_the_time_left_do_not_count() -> None:
    hello = Message("user", "hello")
    one = key(hello, parameters={"temperature": 0, "seed": 1}, timeout=1.0, correlation_id="a")
    assert key(hello, parameters={"seed": 1, "temperature": 0}, timeout=2.0, correlation_id="b") == one
    assert key(hello, parameters={"seed": 2, "temperature": 0}) != one


def test_what_the_model_is_told_counts_part_by_part() -> None:
    url = "data:image/png;base64,AAAA"
    told = [
        Message("user", "ab"),
        Message("user", "ab", parts=("a", "b")),
        Message("user", "ab", parts=("ab", ImagePart(url))),
        Message("user", "ab", parts=("ab", ImagePart(url, "low"))),
        Message("user", "ab", parts=(ImagePart(url), "ab")),
        Message("user", "ab", parts=("ab", FilePart(url))),
        Message("assistant", "ab"),
        Message("assistant", "ab", replay={"a": 1}),
    ]
    assert len({key(message) for message in told}) == len(told)


@pytest.mark.parametrize("message", [Message("tool", "\ud800"), Message("assistant", "x", replay={"n": 2**70})])
def test_what_cannot_be_sent_has_no_key_and_is_no_fault_that_time_mends(message: Message) -> None:
    with pytest.raises(WorkError) as raised:
        key(message)
    assert raised.value.code is ErrorCode.INVALID_REQUEST
