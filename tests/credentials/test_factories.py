import pytest

from batches.ids import batch_run_id
from batches.models import Run
from tests.support import factories

pytestmark = pytest.mark.django_db


def test_batch_has_a_pending_run_per_row_in_order():
    batch = factories.make_batch(rows=[{"text": "a", "custom_id": "x"}, {"text": "b"}])
    runs = list(Run.objects.of_batch(batch.pk))
    assert [run.input["text"] for run in runs] == ["a", "b"]
    assert [run.pk for run in runs] == [batch_run_id(batch.pk, 0), batch_run_id(batch.pk, 1)]
    assert [run.custom_id for run in runs] == ["x", None]
    assert {run.state for run in runs} == {"pending"}
    assert batch.total == 2


def test_overrides_reach_the_rows():
    owner = factories.make_user(username="ada")
    agent = factories.make_agent(owner, model="m", max_steps=3)
    second = factories.make_version(agent, prompt="{{ other }}")
    single = factories.make_single_run(second, {"other": 1}, state="running")
    assert (second.number, second.agent.owner, second.credential.owner) == (2, owner, owner)
    assert agent.versions.get(number=1).max_steps == 3
    assert (single.owner, single.state, single.input, single.batch) == (owner, "running", {"other": 1}, None)
    assert factories.make_batch(owner, second, 3, name="n").runs.count() == 3
