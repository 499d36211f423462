"""Lists of runs find their rows by an index, however many runs there are."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from batches.ids import LATEST_SINGLE, SINGLE_BASE, single_ids_from, single_run_id
from batches.models import Batch, Run
from batches.run_lists import RunFilter, list_runs
from batches.states import RunState
from credentials.models import User
from tests.batches.test_indexes import assert_uses
from tests.support.factories import make_agent, make_batch, make_single_run, make_superuser, make_user

SINGLES = 3_000
_KEY = "INTEGER PRIMARY KEY|batches_run_pkey"


@pytest.fixture
def batch(db: None) -> Batch:
    """A batch with few failed rows, beside many single runs of the same user, few of which failed."""
    agent = make_agent(slug="busy")
    rare = make_agent(agent.owner, slug="rare")
    batch = make_batch(version=agent.current_version, rows=SINGLES)
    first = make_single_run(agent.current_version, state=RunState.SUCCEEDED)
    values = {field.attname: getattr(first, field.attname) for field in Run._meta.concrete_fields}
    Run.objects.bulk_create((Run(**values | {"id": first.pk + number}) for number in range(1, SINGLES)), batch_size=500)
    Run.objects.filter(id__gte=first.pk, id__lt=first.pk + 5).update(state=RunState.FAILED, error_code="timeout")
    Run.objects.filter(id__gte=first.pk + 10, id__lt=first.pk + 20).update(agent_version=rare.current_version)
    batch.runs.filter(index__lt=3).update(state=RunState.FAILED, error_code="timeout")
    make_batch(version=make_agent(make_user()).current_version, rows=SINGLES)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return batch


@pytest.mark.parametrize(
    ("of_batch", "chosen", "index"),
    [
        (False, RunFilter(), f"run_single|{_KEY}"),
        (False, RunFilter(agent="rare"), "run_single_agent"),
        (False, RunFilter(agent="rare@1"), "run_single_agent"),
        (False, RunFilter(code="timeout"), "run_failed|run_single"),
        (True, RunFilter(), _KEY),
        (True, RunFilter(code="timeout"), "run_failed"),
        (True, RunFilter(state=RunState.FAILED), f"run_failed|{_KEY}"),
    ],
)
def test_a_page_goes_by_an_index(batch: Batch, of_batch: bool, chosen: RunFilter, index: str) -> None:
    if of_batch:
        chosen = RunFilter(batch=batch.pk, code=chosen.code, state=chosen.state)

    runs = list_runs(batch.owner, chosen)

    assert_uses(runs.order_by("-id")[:21].explain(), index)


def test_a_superuser_finds_rare_failures_among_the_runs_of_all(batch: Batch) -> None:
    runs = list_runs(make_superuser(), RunFilter(code="timeout")).order_by("-id")

    assert_uses(runs[:21].explain(), "run_failed")
    assert len(runs) == 5


def test_an_agent_and_a_batch_of_others_are_not_found(batch: Batch) -> None:
    stranger: User = make_user()

    for chosen in (RunFilter(agent="busy"), RunFilter(batch=batch.pk)):
        with pytest.raises(Exception, match="There is no"):
            list_runs(stranger, chosen)
    assert not list_runs(stranger, RunFilter())


def test_the_ids_of_a_moment_divide_the_runs_made_before_and_after() -> None:
    before = datetime.now(UTC)
    run = single_run_id()

    assert single_ids_from(before) <= run < single_ids_from(datetime.now(UTC) + timedelta(milliseconds=1))
    assert single_ids_from(datetime.min.replace(tzinfo=UTC)) == SINGLE_BASE
    assert single_ids_from(datetime.max.replace(tzinfo=UTC)) == LATEST_SINGLE
