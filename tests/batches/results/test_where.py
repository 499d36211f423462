"""Conditions on rows, on whichever database the tests run."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batches.results import BatchResults
from batches.results.where import parse_condition
from tests.support.factories import make_agent
from workers.errors import InvalidInput

from .finished import failed, make_finished

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = [
    {
        "input": {"custom_id": "abc", "ticket": "My INVOICE is wrong", "Order No": "007", "price": "12.5"},
        "custom_id": "abc",
        "output": "A Refund, naturally: ÄRGER",
        "parsed": {"label": "billing", "items": [{"price": 3.5}], "ok": True, "a.b": "dots", "n": 3},
        "latency_ms": 2500,
        "cost": "0.02",
    },
    {
        "input": {"custom_id": "b,c", "ticket": "50% _off_", "Order No": "8", "price": 12.5},
        "custom_id": "b,c",
        "output": 'say "hi"',
        "parsed": {"label": "spam", "items": [{"price": 2}, {"price": 9}], "ok": False, "n": 3.0, "x": None},
        "latency_ms": 100,
        "attempt": 2,
        "model": "groq/llama",
        "is_cached": True,
    },
    failed("timeout", "slow", input={"ticket": "x' OR 1=1 --", "price": "1-2"}),
    failed("poison", input={"ticket": "tom", "price": "1e5"}),
    {"state": "pending", "attempt": 0, "parsed": {"label": "3", "n": "3"}, "input": {"text": "null"}},
]
EXPECTED = {
    "status=failed": [2, 3],
    "status=failed,pending": [2, 3, 4],
    "status!=failed": [0, 1, 4],
    "code=timeout": [2],
    "code=timeout,overloaded": [2],
    "code=null": [0, 1, 4],
    "code!=timeout": [0, 1, 3, 4],
    "category=transient": [2],
    "category=system": [3],
    "category=null": [0, 1, 4],
    "message~SLO": [2],
    "index>=3": [3, 4],
    "index>1.5": [2, 3, 4],
    "index>=1.5": [2, 3, 4],
    "index<1.5": [0, 1],
    "index<=1.5": [0, 1],
    "index<1": [0],
    "index<=1": [0, 1],
    "index>99999999999": [],
    "index>-5": [0, 1, 2, 3, 4],
    "index=1,3,77,-1": [1, 3],
    "index!=1,3": [0, 2, 4],
    "latency_ms>2000": [0],
    "latency_ms<=2500": [0, 1],
    "latency_ms=null": [2, 3, 4],
    "cost>0.01": [0],
    "attempts>1": [1],
    "attempts=0,2": [1, 4],
    "total_tokens=15": [0, 1, 2, 3, 4],
    "cached=true": [1],
    "cached!=true": [0, 2, 3, 4],
    "model=groq/llama": [1],
    "model~echo-1": [0, 2, 3, 4],
    "custom_id=abc": [0],
    'custom_id="b,c",zzz': [1],
    "custom_id=null": [2, 3, 4],
    "output~refund": [0],
    "output~ärger": [0],
    "output!~refund": [1, 2, 3, 4],
    'output=say "hi"': [1],
    "parsed.label=billing": [0],
    "parsed.label=billing,spam": [0, 1],
    "parsed.label!=billing": [1, 2, 3, 4],
    "parsed.label=null": [2, 3],
    "parsed.label=3": [4],
    "parsed.n=3": [0, 1, 4],
    "parsed.n!=3": [2, 3],
    "parsed.n=3.0": [0, 1, 4],
    "parsed.n>2": [0, 1, 4],
    "parsed.ok=true": [0],
    "parsed.ok!=true": [1, 2, 3, 4],
    "parsed.x=null": [0, 1, 2, 3, 4],
    "parsed.items[0].price>3": [0],
    "parsed.items[1].price=9": [1],
    'parsed."a.b"=dots': [0],
    "input.ticket~invoice": [0],
    "input.ticket~50%": [1],
    "input.ticket~_": [1],
    "input.Order No=007": [0],
    "input.Order No>6": [1],
    "input.price>12": [0, 1, 3],
    "input.ticket=x' OR 1=1 --": [2],
    "input.text=\"null\"": [4],
    "input.nothing~x": [],
}  # fmt: skip


@pytest.fixture
def results():
    return BatchResults(make_finished(ROWS, make_agent(model="echo-1").current_version))


def found(results, *conditions):
    return [record["index"] for record in results.records(where=list(conditions))]


def test_each_condition_keeps_the_rows_it_says(results):
    assert {text: found(results, text) for text in EXPECTED} == EXPECTED


def test_all_of_several_conditions_must_hold(results):
    assert found(results, "status=failed", "input.ticket~x") == [2]
    assert found(results, "status=failed", "status=pending") == []
    assert found(results, "model~echo", "parsed.label!=null", "index<4") == [0]
    assert [record["index"] for record in results.records(state="succeeded", where="status=failed")] == []
    assert [record["index"] for record in results.records(state="failed", where="code=poison")] == [3]


def test_what_contradicts_itself_finds_nothing_however_often_it_is_said(results):
    assert found(results, "status=failed", "status=succeeded", "status=succeeded") == []
    assert found(results, "code=poison", "code=timeout", "code=timeout") == []


def test_long_numbers_and_those_with_zeros_before_them_are_what_they_are():
    ids = [1234567890123456789, 1234567890123456790, 12345678901234567890, 12345678901234567891, 7, 0.1234567890123456]
    rows = [{"input": {"id": value}} for value in [*ids, *map(str, ids), "007", "1_0", 10]]
    results = BatchResults(make_finished(rows))
    for place, value in enumerate(ids):
        assert found(results, f"input.id={value}") == [place, place + len(ids)], value
        assert len(found(results, f"input.id!={value}")) == len(rows) - 2
    assert found(results, "input.id=007") == [12]
    assert found(results, "input.id=1_0") == [13]
    assert found(results, "input.id=10.0") == [14]
    assert found(results, "input.id>1e19") == [2, 3, 8, 9]


def test_keys_hold_any_sign_but_a_quotation_mark(results):
    keys = ["c\\d", "tab\there", "line\nbreak", "ärger", "日本", "a'b", "$", "*", "[0]"]
    results = BatchResults(make_finished([{"input": {key: "x", "other": "y"}} for key in keys]))
    for place, key in enumerate(keys):
        assert found(results, f'input."{key}"=x') == [place], key


def test_no_place_to_begin_after_reaches_rows_of_another_batch(results):
    before, after = (BatchResults(make_finished(ROWS)) for _ in range(2))
    for outside in (-2, -40_000_000, -(2**70)):
        assert [record["index"] for record in after.records(after=outside)] == [0, 1, 2, 3, 4]
    for outside in (5, 40_000_000, 2**70):
        assert list(before.records(after=outside)) == []


def test_pages_exports_and_streams_take_conditions(results, tmp_path):
    page = results.page(limit=1, where="status=failed")
    assert ([record["index"] for record in page.records], page.next_after) == ([2], 2)
    page = results.page(2, limit=1, where="status=failed")
    assert ([record["index"] for record in page.records], page.next_after) == ([3], None)
    assert results.export(tmp_path / "out.csv", where=["latency_ms>=100", "model=groq/llama"]) == 1
    assert len(b"".join(results.stream(where="status=failed")).splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("failed", "write FIELD, one of = != ~"),
        ("", "write FIELD"),
        ("=x", "write FIELD"),
        ("output~\0", "write FIELD"),
        ("state=failed", "'state' is no field (did you mean 'status'?); allowed: index, custom_id, status"),
        ("status=done", "status is 'done'; allowed: cancelled, expired, failed"),
        ("code=Timeout", "code is 'Timeout'; allowed: "),
        ("status>failed", "status is a text and is compared by = != ~ !~"),
        ("latency_ms~5", "latency_ms is a number and is compared by = != > < >= <="),
        ("latency_ms>fast", "'fast' is no number"),
        ("cost>nan", "'nan' is no number"),
        ("cost>1_0", "'1_0' is no number"),
        ("cached=yes", "'yes' is neither true nor false"),
        ("parsed.n>x", "'x' is no number"),
        ("parsed=1", "'parsed' is no field"),
        ("parsed.=1", "'parsed.' is no place"),
        ("parsed.items[x]=1", "is no place"),
        ("input..a=1", "is no place"),
    ],
)
def test_a_bad_condition_is_named_with_what_is_allowed(results, text, message):
    with pytest.raises(InvalidInput) as error:
        results.records(where=text)
    assert str(error.value).startswith(f"where {text!r}: ")
    assert message in str(error.value)


@pytest.mark.security
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_breaks_out_of_its_place(results, text):
    for condition in (f"parsed.{text}={text}", f"input.ticket~{text}", f"output={text}", f'parsed."{text}">1'):
        try:
            parse_condition(condition)
        except InvalidInput:
            continue
        assert len(found(results, condition)) <= len(ROWS)
