"""An estimate from the rows of a batch that have ended."""

from decimal import Decimal

import pytest

from batches.estimating import from_rows
from batches.estimating.from_rows import estimate_batch
from batches.estimating.prompt_tokens import prompt_sizes
from batches.execution.storing import store_outcomes
from batches.models import Batch, Run
from batches.models.batch import InputKind
from credentials.services import set_model
from tests.batches.execution.helpers import claim, failure, retried, success
from tests.support.factories import make_agent, make_batch
from workers.errors import InvalidInput

pytestmark = pytest.mark.django_db


def ended_batch(rows: int, ended: int) -> Batch:
    """A batch of which the first rows have ended, one of two as failed, each at 10 tokens in and out and $0.001."""
    batch = make_batch(rows=[{"text": "x" * 36}] * rows)
    runs = claim(batch, ended)
    store_outcomes([failure(run) if place % 2 else success(run) for place, run in enumerate(runs)])
    batch.refresh_from_db()
    return batch


def test_rows_that_ended_tell_of_all_whether_they_succeeded_or_failed() -> None:
    found = estimate_batch(ended_batch(60, 20))
    assert found.ended == 20
    # 13 tokens estimated a row: 36 characters and 4 of the message.
    assert found.totals.ratio == pytest.approx(10 / 13)
    assert found.totals.input_tokens.value == pytest.approx(600)
    assert found.totals.output_tokens.value == pytest.approx(600)
    assert (found.totals.cost.low, found.totals.cost.high) == pytest.approx((0.06, 0.06))


def test_all_attempts_of_a_row_count() -> None:
    batch = make_batch(rows=10)
    store_outcomes([retried(run, 0.0) for run in claim(batch, 5)])
    store_outcomes([success(run) for run in claim(batch, 5)])
    batch.refresh_from_db()
    assert estimate_batch(batch).totals.cost.value == pytest.approx(10 * 0.002)


@pytest.mark.parametrize(("rows", "ended"), [(60, 4), (60, 1), (3, 2)])
def test_too_few_rows_tell_nothing(rows: int, ended: int) -> None:
    batch = ended_batch(rows, ended)
    with pytest.raises(InvalidInput, match=rf"{ended} rows have ended; an estimate needs {min(5, rows)}"):
        estimate_batch(batch)


def test_a_small_batch_that_has_ended_is_told_exactly() -> None:
    totals = estimate_batch(ended_batch(3, 3)).totals
    assert totals.cost.low == pytest.approx(0.003) == totals.cost.high


def test_a_model_without_a_price_has_tokens_alone() -> None:
    batch = ended_batch(20, 10)
    assert estimate_batch(batch).has_prices
    version = batch.agent_version
    type(version.credential).objects.update(provider="openai")
    batch = Batch.objects.get(pk=batch.pk)
    assert not estimate_batch(batch).has_prices


def test_the_rest_takes_what_its_limit_makes_it_take() -> None:
    batch = ended_batch(100, 40)
    assert estimate_batch(batch).duration is None
    set_model(batch.agent_version.credential, "*", requests_per_minute=60)
    duration = estimate_batch(batch).duration
    assert duration is not None
    assert duration.seconds == pytest.approx(60, rel=0.05)


def test_of_very_many_ended_rows_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_rows, "MOST_ENDED", 100)
    batch = ended_batch(300, 300)
    found = estimate_batch(batch)
    assert 60 < found.ended < 140
    assert found.totals.cost.value == pytest.approx(0.3)


def test_chat_bodies_are_counted_and_those_that_cannot_run_count_nothing() -> None:
    batch = make_batch(version=make_agent(instructions="abcd").current_version, rows=3, input_kind=InputKind.CHAT)
    rows = Run.objects.of_batch(batch.pk)
    rows.update(input_kind=InputKind.CHAT)
    first = batch.run_ids[0]
    rows.filter(pk=first).update(input_json='{"messages": [{"role": "user", "content": "12345678"}]}')
    rows.filter(pk=first + 1).update(input_json='{"messages": 3}')
    assert list(prompt_sizes(batch)) == [5 + 6, 0, 0]


def test_costs_are_read_with_all_their_places() -> None:
    batch = ended_batch(10, 5)
    Run.objects.of_batch(batch.pk).filter(cost__gt=0).update(cost=Decimal("0.000000001"))
    assert estimate_batch(batch).totals.cost.value == pytest.approx(1e-8)
