"""Records, iteration and pages."""

import pytest

from batches.models import Run
from batches.results import BatchResults
from tests.support.factories import make_agent, make_batch, make_credential, make_user, make_version
from workers.errors import InvalidInput

from .finished import failed, make_finished

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mixed():
    """Ten rows: the even ones succeeded, of the others three timed out and two broke the schema."""
    odd = iter([failed("timeout"), failed("schema_mismatch"), failed("timeout"), failed("timeout")])
    results = [
        {"output": str(index)} if index % 2 == 0 else next(odd, failed("schema_mismatch")) for index in range(10)
    ]
    return BatchResults(make_finished(results))


def indexes(records):
    return [record["index"] for record in records]


def test_a_record_has_all_its_fields_in_order():
    user = make_user()
    agent = make_agent(user, slug="triage", credential=make_credential(user, name="openai-eu"), model="maker/large")
    row = {
        "input": {"custom_id": "T-1", "ticket": "Wo?", "n": 12345678901234567},
        "custom_id": "T-1",
        "output": '{"a": 1}',
        "parsed": {"a": 1, "b": [None, "x"]},
        "attempt": 3,
        "input_tokens": 120,
        "output_tokens": 30,
        "cached_tokens": 100,
        "reasoning_tokens": 20,
        "cost": "0.000123456",
        "latency_ms": 1500,
        "is_cached": True,
    }
    (record,) = BatchResults(make_finished([row], agent.current_version))
    assert list(record.items()) == [
        ("index", 0),
        ("custom_id", "T-1"),
        ("status", "succeeded"),
        ("output", '{"a": 1}'),
        ("parsed", {"a": 1, "b": [None, "x"]}),
        ("error", None),
        ("attempts", 3),
        (
            "usage",
            {
                "input_tokens": 120,
                "output_tokens": 30,
                "total_tokens": 150,
                "cached_tokens": 100,
                "reasoning_tokens": 20,
            },
        ),
        ("cost", 0.000123456),
        ("latency_ms", 1500),
        ("agent", "triage"),
        ("version", 1),
        ("model", "openai-eu/maker/large"),
        ("input", {"custom_id": "T-1", "ticket": "Wo?", "n": 12345678901234567}),
        ("cached", True),
    ]


def test_an_error_has_code_category_and_message():
    batch = make_finished([failed("timeout", "slow"), failed("poison", ""), failed("gone_code")])
    assert [record["error"] for record in BatchResults(batch)] == [
        {"code": "timeout", "category": "transient", "message": "slow"},
        {"code": "poison", "category": "system", "message": ""},
        {"code": "gone_code", "category": "system", "message": "it failed"},
    ]


def test_a_row_that_has_not_run_has_a_record_too():
    (record,) = BatchResults(make_batch(rows=1))
    assert (record["status"], record["output"], record["parsed"], record["latency_ms"]) == ("pending", None, None, None)
    assert (record["attempts"], record["cost"]) == (0, 0)


def test_rows_of_one_batch_may_name_different_versions():
    agent = make_agent(slug="mixed")
    first = agent.current_version
    second = make_version(agent, model="other")
    batch = make_finished([{}, {"agent_version": second}, {}], first)
    assert [(record["version"], record["model"].split("/")[1]) for record in BatchResults(batch)] == [
        (1, "echo-1"),
        (2, "other"),
        (1, "echo-1"),
    ]


def test_a_record_names_the_member_of_a_pool_that_answered():
    batch = make_finished([{"model": "groq/llama"}, {}], make_agent(model="large").current_version)
    first, second = [record["model"] for record in BatchResults(batch)]
    assert (first, second.split("/")[1]) == ("groq/llama", "large")


def test_the_rows_of_other_batches_stay_out():
    batches = [make_finished([{"output": f"{number}"} for _ in range(3)]) for number in range(3)]
    assert [record["output"] for record in BatchResults(batches[1])] == ["1", "1", "1"]


@pytest.mark.parametrize(
    ("state", "code", "expected"),
    [
        (None, None, list(range(10))),
        ("succeeded", None, [0, 2, 4, 6, 8]),
        ("failed", None, [1, 3, 5, 7, 9]),
        (["failed", "cancelled"], None, [1, 3, 5, 7, 9]),
        (None, "timeout", [1, 5, 7]),
        ("failed", ["timeout", "schema_mismatch"], [1, 3, 5, 7, 9]),
        ("succeeded", "timeout", []),
        ("pending", None, []),
        (None, "cancelled", []),
    ],
)
def test_records_are_filtered_by_state_and_code(mixed, state, code, expected):
    assert indexes(mixed.records(state, code)) == expected


def test_a_cancelled_row_is_found_by_its_code():
    results = BatchResults(make_finished([{}, {"state": "cancelled", "error_code": "cancelled"}]))
    assert indexes(results.records(code="cancelled")) == [1]


def test_records_begin_after_an_index_and_stop_at_a_limit(mixed):
    assert indexes(mixed.records(after=2, limit=3)) == [3, 4, 5]
    assert indexes(mixed.records("failed", after=3)) == [5, 7, 9]
    assert indexes(mixed.records(limit=0)) == []
    assert indexes(mixed.records(after=9)) == []


@pytest.mark.parametrize("arguments", [{"state": "done"}, {"code": "Timeout"}, {"state": ["failed", "x'; --"]}])
def test_an_unknown_state_or_code_is_refused_at_once(mixed, arguments):
    with pytest.raises(InvalidInput, match="allowed: "):
        mixed.records(**arguments)


def test_pages_follow_each_other_by_key(mixed):
    first = mixed.page(limit=4)
    second = mixed.page(first.next_after, limit=4)
    third = mixed.page(second.next_after, limit=4)
    assert [indexes(page.records) for page in (first, second, third)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [page.next_after for page in (first, second, third)] == [3, 7, None]
    assert mixed.page(limit=10).next_after is None


def test_pages_of_a_filter_end_as_well(mixed):
    page = mixed.page(limit=2, code="timeout")
    assert (indexes(page.records), page.next_after) == ([1, 5], 5)
    page = mixed.page(5, limit=2, code="timeout")
    assert (indexes(page.records), page.next_after) == ([7], None)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_bounds(mixed, limit):
    with pytest.raises(InvalidInput, match="allowed: 1 to 1000"):
        mixed.page(limit=limit)


def test_rows_with_much_text_come_in_smaller_pieces_and_none_is_lost(monkeypatch):
    monkeypatch.setattr("batches.results.selection.PIECE_CHARACTERS", 5_000)
    monkeypatch.setattr("batches.results.selection.FETCHED_ROWS", 4)
    results = BatchResults(make_finished([{"output": "x" * 900} for _ in range(50)]))
    page = results.page(limit=50)
    assert len(page.records) == 8
    assert page.next_after == 7
    assert indexes(results) == list(range(50))


def test_a_chat_body_is_the_input_as_it_is():
    body = {"messages": [{"role": "user", "content": "hi"}]}
    batch = make_finished([{"input": body, "input_kind": "chat"}], input_kind="chat", columns=[])
    assert next(iter(BatchResults(batch)))["input"] == body


def test_a_batch_without_rows_has_no_records():
    results = BatchResults(make_batch(rows=0))
    assert list(results) == []
    assert results.page().records == []
    assert not Run.objects.exists()
