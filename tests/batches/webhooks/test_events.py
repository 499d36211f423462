"""Events: noted where runs and batches end, once each, in the same transaction, for who wants them."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction

from batches.execution.claims import ClaimedRun, claim_singles
from batches.execution.finalizing import finalize_batch
from batches.execution.leases import open_lease
from batches.execution.maintenance import end_abandoned, offer_webhooks
from batches.execution.pilots import end_pilot
from batches.execution.storing import store_outcomes
from batches.manager import BatchManager
from batches.models import Batch, Run, WebhookDelivery, WebhookEndpoint
from batches.runs import cancel_run
from batches.states import BatchState, RunState
from batches.webhooks.events import EndedRun, note_batch_event, note_run_events
from batches.webhooks.services import create_endpoint, disable_endpoint
from credentials.models import User
from tests.batches.execution.helpers import claim, failure, retried, success
from tests.support.factories import make_batch, make_single_run, make_user
from tests.support.queues import messages_on
from workers.errors import ErrorCode

pytestmark = pytest.mark.django_db(transaction=True)


def told() -> list[tuple[str, str]]:
    """Return the events that were noted, with the ids that they are about."""
    rows = WebhookDelivery.objects.order_by("id").values_list("event_type", "payload")
    return [(event_type, json.loads(payload)["data"]["id"]) for event_type, payload in rows]


def claim_runs(owner: User, number: int) -> list[ClaimedRun]:
    """Return single runs of `owner`, taken."""
    ids = [make_single_run(owner=owner).pk for _ in range(number)]
    return claim_singles(ids, open_lease("here:1:1", None))


def ended_batch(owner, state: BatchState = BatchState.RUNNING, **fields: Any) -> Batch:
    """Return a batch of two rows that have ended, not wound up yet."""
    batch = make_batch(owner, rows=2, state=state, succeeded=2, **fields)
    Run.objects.filter(batch=batch).update(state=RunState.SUCCEEDED)
    return batch


def test_a_batch_that_completes_tells_it_once_however_often_it_is_wound_up(owner, endpoint: WebhookEndpoint) -> None:
    batch = ended_batch(owner, name="mails")
    assert [finalize_batch(batch.pk) for _ in range(3)] == [True, False, False]
    delivery = WebhookDelivery.objects.get()
    body = json.loads(delivery.payload)
    assert (body["id"], body["type"], body["object"]) == (delivery.event_id, "batch.completed", "event")
    assert isinstance(body["created_at"], int)
    assert body["data"] == {
        "id": f"batch_{batch.pk}",
        "batch": batch.pk,
        "name": "mails",
        "state": "completed",
        "reason": "",
        "counts": {"total": 2, "succeeded": 2, "failed": 0, "cancelled": 0, "expired": 0},
    }
    assert delivery.event_id.startswith("msg_")
    assert messages_on("control") == 1


def test_a_batch_that_ends_anew_after_a_retry_tells_it_anew(owner, endpoint: WebhookEndpoint) -> None:
    batch = ended_batch(owner)
    finalize_batch(batch.pk)
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.RUNNING)
    finalize_batch(batch.pk)
    assert [kind for kind, _ in told()] == ["batch.completed"] * 2
    assert len(set(WebhookDelivery.objects.values_list("event_id", flat=True))) == 2


def test_cancelled_expired_failed_and_paused_batches_are_told(owner, endpoint: WebhookEndpoint) -> None:
    manager = BatchManager(owner)
    cancelled = make_batch(owner, rows=2)
    manager.cancel(cancelled)
    finalize_batch(cancelled.pk)
    expired = make_batch(owner, rows=1, state=BatchState.RUNNING, expired=1)
    Run.objects.filter(batch=expired).update(state=RunState.EXPIRED)
    finalize_batch(expired.pk)
    failed = make_batch(owner, state=BatchState.VALIDATING)
    Batch.objects.filter(pk=failed.pk).update(updated_at="2020-01-01T00:00:00Z")
    assert end_abandoned() == 1
    paused = make_batch(owner, rows=2, state=BatchState.RUNNING)
    manager.pause(paused, "Lunch.")
    piloted = make_batch(owner, rows=2, state=BatchState.RUNNING, pilot=[0], succeeded=1)
    Run.objects.filter(batch=piloted, index=0).update(state=RunState.SUCCEEDED)
    assert end_pilot(piloted.pk)
    assert told() == [
        ("batch.cancelled", f"batch_{cancelled.pk}"),
        ("batch.expired", f"batch_{expired.pk}"),
        ("batch.failed", f"batch_{failed.pk}"),
        ("batch.paused", f"batch_{paused.pk}"),
        ("batch.paused", f"batch_{piloted.pk}"),
    ]
    assert json.loads(WebhookDelivery.objects.order_by("id")[3].payload)["data"]["reason"] == "Lunch."


def test_a_batch_that_a_refused_key_pauses_tells_it(owner, endpoint: WebhookEndpoint) -> None:
    batch = make_batch(owner, rows=2, state=BatchState.RUNNING)
    store_outcomes([replace(retried(run, 1.0), pause_reason="No key.") for run in claim(batch)])
    assert told() == [("batch.paused", f"batch_{batch.pk}")]


def test_single_runs_are_told_once_however_often_they_are_stored(owner, endpoint: WebhookEndpoint) -> None:
    good, bad, other = claim_runs(owner, 3)
    on = replace(retried(other, 1.0), state=RunState.QUEUED)
    outcomes = [success(good, "a secret answer"), failure(bad, "invalid_key"), on]
    assert store_outcomes(outcomes) == [True] * 3
    assert store_outcomes(outcomes) == [False] * 3
    assert sorted(told()) == [("run.completed", str(good.id)), ("run.failed", str(bad.id))]
    assert not WebhookDelivery.objects.filter(payload__contains="secret").exists()
    failed = json.loads(WebhookDelivery.objects.get(event_type="run.failed").payload)["data"]
    assert failed == {"id": str(bad.id), "run": bad.id, "state": "failed", "error_code": "invalid_key"}


@pytest.mark.parametrize("tells_rows", [True, False])
def test_rows_of_a_batch_are_told_where_it_asks(owner, endpoint: WebhookEndpoint, tells_rows: bool) -> None:
    batch = make_batch(owner, rows=[{"text": "a", "custom_id": "one"}], state=BatchState.RUNNING, tells_rows=tells_rows)
    store_outcomes([success(run) for run in claim(batch)])
    assert WebhookDelivery.objects.count() == int(tells_rows)
    if tells_rows:
        data = json.loads(WebhookDelivery.objects.get().payload)["data"]
        assert (data["batch"], data["index"], data["custom_id"]) == (batch.pk, 0, "one")


def test_a_run_that_kills_its_process_is_told_as_failed(owner, endpoint: WebhookEndpoint) -> None:
    run = make_single_run(owner=owner)
    note_run_events([EndedRun(run.pk, 1, None, RunState.FAILED, ErrorCode.POISON)])
    note_run_events([EndedRun(run.pk, 1, None, RunState.FAILED, ErrorCode.POISON)])
    assert told() == [("run.failed", str(run.pk))]


def test_a_cancelled_run_is_not_told(owner, endpoint: WebhookEndpoint) -> None:
    cancel_run(owner, make_single_run(owner=owner).pk)
    assert told() == []


def test_an_event_goes_with_its_transaction(owner, endpoint: WebhookEndpoint) -> None:
    batch = make_batch(owner)
    with transaction.atomic():
        note_batch_event(batch.pk, "batch.completed")
        assert WebhookDelivery.objects.count() == 1
        transaction.set_rollback(True)
    assert (told(), messages_on("control")) == ([], 0)


@pytest.mark.security
def test_only_active_endpoints_of_the_owner_that_want_the_event_are_told(owner, endpoint, receiver) -> None:
    create_endpoint(make_user(), receiver.url, ["batch.completed", "run.completed"])
    create_endpoint(owner, receiver.url, ["batch.failed"])
    disabled, _ = create_endpoint(owner, receiver.url, ["batch.completed"])
    disable_endpoint(disabled)
    finalize_batch(ended_batch(owner).pk)
    store_outcomes([success(run) for run in claim_runs(owner, 1)])
    assert set(WebhookDelivery.objects.values_list("endpoint", flat=True)) == {endpoint.pk}


def test_each_endpoint_gets_the_same_event(owner, endpoint: WebhookEndpoint, receiver) -> None:
    create_endpoint(owner, receiver.url, ["batch.completed"])
    finalize_batch(ended_batch(owner).pk)
    assert WebhookDelivery.objects.count() == 2
    assert len(set(WebhookDelivery.objects.values_list("event_id", flat=True))) == 1


def test_it_costs_one_query_where_nobody_wants_to_be_told(
    owner, django_assert_num_queries: Callable[[int], Any]
) -> None:
    batch = make_batch(owner, rows=1)
    ended = [EndedRun(number, 1, batch.pk, RunState.SUCCEEDED) for number in range(250)]
    with django_assert_num_queries(1):
        note_run_events(ended)
    with django_assert_num_queries(1):
        note_batch_event(batch.pk, "batch.completed")
    with django_assert_num_queries(0):
        note_run_events([EndedRun(1, 1, None, RunState.QUEUED)])


def test_rows_that_are_not_told_cost_two_queries_where_others_have_endpoints(
    owner, endpoint: WebhookEndpoint, django_assert_num_queries: Callable[[int], Any]
) -> None:
    batch = make_batch(owner, rows=1)
    with django_assert_num_queries(2):
        note_run_events([EndedRun(number, 1, batch.pk, RunState.SUCCEEDED) for number in range(250)])


def test_maintenance_offers_what_is_due_and_what_nobody_was_told_of(owner, endpoint: WebhookEndpoint) -> None:
    assert offer_webhooks() == 0
    finalize_batch(ended_batch(owner).pk)
    assert messages_on("control") == 1
    # Where messages wait, workers have enough to do.
    assert offer_webhooks() == 0
    from workers.redis import connection

    connection().flushall()
    assert offer_webhooks() == 1
    assert messages_on("control") == 1
