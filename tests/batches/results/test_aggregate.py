"""Aggregate questions: their answers against those of plain Python, on whichever database the tests run."""

import random
from collections import defaultdict

import pytest
from sqlalchemy import event

from batches.models import Run
from batches.results import BatchResults
from batches.results.grouping import latency_text
from tests.support.factories import make_agent
from workers.errors import InvalidInput

from .finished import failed, make_finished

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def rows():
    rng = random.Random(4)
    found = []
    for number in range(300):
        if number % 10 == 3:
            found.append(failed(rng.choice(["timeout", "poison"]), cost="0.5", input={"channel": "mail"}))
            continue
        parsed = {"label": rng.choice(["spam", "billing", 3, True, None, ["x"]]), "amount": rng.choice([1, 2.5, "7"])}
        found.append(
            {
                "parsed": parsed,
                "input": {"channel": rng.choice(["mail", "web"])},
                "latency_ms": rng.choice([5, 150, 700, 701, 900_000]),
                "attempt": rng.randint(1, 3),
                "cost": str(rng.randint(1, 99) / 1000),
                "is_cached": rng.random() < 0.3,
                "model": rng.choice([None, "groq/llama"]),
            }
        )
    return found


@pytest.fixture
def results(rows):
    return BatchResults(make_finished(rows, make_agent(model="small").current_version))


def counts(answer):
    return {tuple(str(row[name]) for name in answer.by): row["count"] for row in answer.rows}


def expected(rows, key):
    found = defaultdict(int)
    for row in rows:
        found[tuple(str(part) for part in key(row))] += 1
    return dict(found)


def label(row):
    return (row.get("parsed") or {}).get("label")


def latency_start(row):
    return {5: 0, 150: 100, 700: 500, 701: 500, 900_000: 500_000}.get(row.get("latency_ms"))


@pytest.mark.parametrize(
    ("by", "key"),
    [
        ("parsed.label", lambda row: (label(row),)),
        ("code", lambda row: (row.get("error_code"),)),
        ("category", lambda row: ({"timeout": "transient", "poison": "system"}.get(row.get("error_code")),)),
        ("status", lambda row: (row.get("state", "succeeded"),)),
        ("cached", lambda row: (row.get("is_cached", False),)),
        ("attempts", lambda row: (row.get("attempt", 1),)),
        ("latency", lambda row: (latency_start(row),)),
        ("input.channel", lambda row: (row["input"]["channel"],)),
        (("parsed.label", "attempts"), lambda row: (label(row), row.get("attempt", 1))),
        (("status", "code"), lambda row: (row.get("state", "succeeded"), row.get("error_code"))),
    ],
)
def test_rows_are_counted_by_group(results, rows, by, key):
    answer = results.aggregate(by, "count")
    assert counts(answer) == expected(rows, key)
    assert (answer.total, answer.groups) == (300, len(answer.rows))


def test_keys_keep_their_json_types(results):
    keys = [row["parsed.label"] for row in results.aggregate("parsed.label").rows]
    assert sorted(map(repr, keys)) == sorted(map(repr, ["spam", "billing", 3, True, None, ["x"]]))


def test_the_models_of_a_pool_are_told_apart(results, rows):
    answer = results.aggregate("model", "count")
    models = {row["model"].split("/")[1]: row["count"] for row in answer.rows}
    assert models["llama"] == sum(row.get("model") is not None for row in rows)
    assert models["small"] == 300 - models["llama"]


def test_conditions_on_the_model_go_with_groups_by_it(results):
    asked = results.aggregate("model", "count", where="model~small")
    assert [row["model"].split("/")[1] for row in asked.rows] == ["small"]


def test_percentiles_of_several_numbers_see_the_same_rows(results):
    """Rows end between the two statements that it takes, and make a group that the first one did not see."""

    def ends(connection, cursor, statement, *_):
        if statement.startswith("SELECT") and len(asked) == 0:
            asked.append(statement)
            Run.objects.of_batch(results.batch.pk).filter(state="failed").update(state="cancelled")

    asked: list[str] = []
    event.listen(results._engine, "after_cursor_execute", ends)
    try:
        answer = results.aggregate("status", ["p50(cost)", "p95(latency_ms)"])
    finally:
        event.remove(results._engine, "after_cursor_execute", ends)
    assert asked
    assert {row["status"] for row in answer.rows} == {"succeeded", "failed"}


def test_sums_means_and_shares(results, rows):
    answer = results.aggregate(
        "status", ["count", "share", "sum(cost)", "mean(latency_ms)", "mean(parsed.amount)", "sum(total_tokens)"]
    )
    good, bad = answer.rows
    known = [row for row in rows if "parsed" in row]
    assert (good["status"], good["count"], good["share"]) == ("succeeded", 270, 0.9)
    assert good["sum(cost)"] == pytest.approx(sum(float(row["cost"]) for row in known))
    assert good["mean(latency_ms)"] == pytest.approx(sum(row["latency_ms"] for row in known) / 270)
    assert good["mean(parsed.amount)"] == pytest.approx(sum(float(row["parsed"]["amount"]) for row in known) / 270)
    assert good["sum(total_tokens)"] == 270 * 15
    assert (bad["sum(cost)"], bad["mean(latency_ms)"], bad["mean(parsed.amount)"]) == (pytest.approx(15), None, None)


def test_percentiles_are_exact_nearest_ranks(results, rows):
    measures = ["p50(latency_ms)", "p95(latency_ms)", "p99(latency_ms)", "p50(cost)", "count"]
    for row in results.aggregate("input.channel", measures).rows:
        members = [each for each in rows if each["input"]["channel"] == row["input.channel"]]
        latencies = sorted(each["latency_ms"] for each in members if "latency_ms" in each)
        costs = sorted(float(each["cost"]) for each in members)
        for percent in (50, 95, 99):
            assert row[f"p{percent}(latency_ms)"] == latencies[-(-len(latencies) * percent // 100) - 1]
        assert row["p50(cost)"] == pytest.approx(costs[-(-len(costs) * 50 // 100) - 1])
        assert row["count"] == len(members)


def test_the_largest_groups_come_first_and_ranges_in_order(results):
    answer = results.aggregate(("input.channel", "attempts"), "count", limit=2)
    found = [row["count"] for row in answer.rows]
    assert len(found) == 2
    assert found == sorted(found, reverse=True)
    assert (answer.total, answer.groups) == (300, 6)
    assert [row["latency"] for row in results.aggregate("latency").rows] == [0, 100, 500, 500_000, None]


def test_conditions_come_before_groups(results, rows):
    answer = results.aggregate("code", "count", where=["status=failed", "input.channel=mail"])
    assert counts(answer) == expected([row for row in rows if "error_code" in row], lambda row: (row["error_code"],))


def test_a_question_about_no_rows_has_an_empty_answer(results):
    answer = results.aggregate("code", ["count", "p95(cost)"], where="index>1000")
    assert (answer.rows, answer.total, answer.groups) == ([], 0, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "output"}, "by 'output': allowed are code, category"),
        ({"by": ()}, "name one grouping"),
        ({"by": ("code", "code")}, "name one grouping, or two different"),
        ({"by": ("code", "status", "model")}, "name one grouping"),
        ({"by": "code", "measures": "median(cost)"}, "measure 'median(cost)': allowed are count, share"),
        ({"by": "code", "measures": "mean(output)"}, "measure 'mean(output)': allowed"),
        ({"by": "code", "measures": "mean(nothing)"}, "'nothing' is no field"),
        ({"by": "code", "measures": ()}, "measures: name at least one"),
        ({"by": "code", "where": "code=x"}, "where 'code=x'"),
        ({"by": "code", "limit": 0}, "allowed: 1 to 10000"),
    ],
)
def test_a_bad_question_is_refused(results, arguments, message):
    with pytest.raises(InvalidInput) as error:
        results.aggregate(**arguments)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("start", "text"), [(500, "500 to 1,000 ms"), (0, "0 to 10 ms"), (500_000, "from 500,000 ms"), (None, None)]
)
def test_ranges_of_latency_are_written_out(start, text):
    assert latency_text(start) == text
