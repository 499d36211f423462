"""Batches of requests that are cancelled, paused, retried, or out of time: with a web process and a worker."""

from datetime import timedelta

import openai
import pytest
from django.utils import timezone

from agents.models import AgentVersion
from batches.manager import BatchManager
from batches.models import Batch, Run
from tests.support.api_user import ApiUser
from tests.support.factories import make_agent, make_version
from tests.support.waiting import wait_for
from tests.support.worker_harness import Workers

from .lines import chat, create, ended, records

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.worker]
SLOW = {"simulated": {"reply": "echo", "latency": 300}}
FAST = {"simulated": {"reply": "echo", "latency": 0}}
FAILING = {"simulated": {"errors": {"content_policy": 1}, "latency": 0}}


@pytest.fixture
def half_done(api: ApiUser, worker: Workers) -> Batch:
    """A batch of which two rows have succeeded, one has failed, and two never end by themselves."""
    for slug, parameters in (("slow", SLOW), ("fast", FAST), ("failing", FAILING)):
        make_agent(api.user, slug=slug, parameters=parameters)
    rows = ["fast", "slow", "fast", "slow", "failing"]
    content = b"".join(chat(f"{slug}{index}", f"agent:{slug}") for index, slug in enumerate(rows))
    made = create(api.client(), content)
    wait_for(lambda: Batch.objects.get().done == 3, 30, "three rows to end")
    return Batch.objects.get(pk=int(made.id.removeprefix("batch_")))


def test_results_can_be_read_while_it_runs(api: ApiUser, half_done: Batch):
    client = api.client()
    batch = client.batches.retrieve(f"batch_{half_done.pk}")
    assert (batch.status, batch.model) == ("in_progress", None)
    assert batch.request_counts.model_dump() == {"total": 5, "completed": 2, "failed": 1}
    assert records(client, batch.output_file_id).keys() == {"fast0", "fast2"}
    assert records(client, batch.error_file_id).keys() == {"failing4"}
    file = client.files.retrieve(batch.output_file_id)
    assert (file.status, file.purpose) == ("uploaded", "batch_output")
    assert [one.id for one in client.files.list(purpose="batch_output")] == []
    with pytest.raises(openai.ConflictError):
        client.files.delete(batch.output_file_id)


def test_a_cancel_keeps_what_is_finished(api: ApiUser, half_done: Batch):
    client = api.client()
    public_id = f"batch_{half_done.pk}"
    asked = client.batches.cancel(public_id)
    assert asked.status in ("cancelling", "cancelled")
    assert client.batches.cancel(public_id).id == public_id
    done = ended(client, public_id)
    assert (done.status, done.completed_at) == ("cancelled", None)
    assert done.cancelling_at <= done.cancelled_at
    assert done.request_counts.model_dump() == {"total": 5, "completed": 2, "failed": 3}
    assert records(client, done.output_file_id).keys() == {"fast0", "fast2"}
    errors = records(client, done.error_file_id)
    assert errors.keys() == {"slow1", "slow3", "failing4"}
    assert errors["slow1"]["response"] is None
    assert errors["slow1"]["error"]["code"] == "batch_cancelled"
    assert errors["failing4"]["response"]["status_code"] == 400
    assert client.files.retrieve(done.error_file_id).bytes == len(client.files.content(done.error_file_id).read())


def test_what_has_ended_cannot_be_cancelled(api: ApiUser, worker: Workers):
    client = api.client()
    make_agent(api.user, slug="fast", parameters=FAST)
    done = ended(client, create(client, chat("a", "agent:fast")).id)
    with pytest.raises(openai.BadRequestError, match="'completed'"):
        client.batches.cancel(done.id)
    api.curl(f"/v1/batches/{done.id}/cancel", "-X", "POST")
    assert client.batches.retrieve(done.id).status == "completed"


def test_when_its_time_is_over_the_rest_expires(api: ApiUser, worker: Workers):
    client = api.client()
    for slug, parameters in (("slow", SLOW), ("fast", FAST)):
        make_agent(api.user, slug=slug, parameters=parameters)
    # One call at a time: the others wait.
    version = AgentVersion.objects.get(agent__slug="slow")
    version.credential.models.create(name=version.model, max_concurrency=1)
    content = chat("fast", "agent:fast") + b"".join(chat(f"slow{index}", "agent:slow") for index in range(3))
    made = create(client, content, completion_window="1m", output_expires_after=LIFE)
    wait_for(lambda: Run.objects.filter(state="running").exists() and Batch.objects.get().done == 1, 30, "one to run")
    Batch.objects.update(expires_at=timezone.now())
    wait_for(lambda: Batch.objects.get().expired == 2, 30, "the rest to expire")
    client.batches.cancel(made.id)
    done = ended(client, made.id)
    expired = [one for one in records(client, done.error_file_id).values() if one["error"]["code"] == "batch_expired"]
    assert [one["response"] for one in expired] == [None, None]
    assert expired[0]["error"]["message"] == "This request could not be executed before the completion window expired."


LIFE = {"anchor": "created_at", "seconds": 3600}


def test_output_expires_when_it_shall(api: ApiUser, worker: Workers):
    client = api.client()
    make_agent(api.user, slug="fast", parameters=FAST)
    done = ended(client, create(client, chat("a", "agent:fast"), output_expires_after=LIFE).id)
    file = client.files.retrieve(done.output_file_id)
    assert file.expires_at - file.created_at in (3600, 3601)
    Batch.objects.update(output_expires_at=timezone.now() - timedelta(seconds=1))
    for ask in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError):
            ask(file.id)
    assert [one.id for one in client.files.list()] == [done.input_file_id]


def test_a_paused_batch_says_so_and_goes_on(api: ApiUser, half_done: Batch):
    client = api.client()
    manager = BatchManager(api.user)
    manager.pause(half_done, "Lunch")
    batch = client.batches.retrieve(f"batch_{half_done.pk}")
    extension = batch.model_extra
    assert (batch.status, extension["paused"], extension["status_details"]) == ("in_progress", True, "Lunch")
    manager.resume(half_done)
    assert client.batches.retrieve(batch.id).model_extra["paused"] is False
    client.batches.cancel(batch.id)
    assert ended(client, batch.id).status == "cancelled"


def test_failed_rows_of_a_batch_that_has_ended_run_again(api: ApiUser, worker: Workers):
    client = api.client()
    agent = make_agent(api.user, slug="failing", parameters=FAILING)
    made = create(client, chat("a", "agent:failing") + chat("b", "agent:failing"), completion_window="1m")
    done = ended(client, made.id)
    assert (done.status, done.output_file_id) == ("completed", None)
    Batch.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    good = make_version(agent, parameters=FAST)
    assert BatchManager(api.user).retry(Batch.objects.get(), version=good) == 2
    again = client.batches.retrieve(made.id)
    assert again.status in ("in_progress", "finalizing", "completed")
    done = ended(client, made.id)
    assert (done.status, done.error_file_id) == ("completed", None)
    assert done.expires_at > done.created_at
    found = records(client, done.output_file_id)
    assert {one["response"]["body"]["model"] for one in found.values()} == {"agent:failing@2"}
    assert client.files.retrieve(done.output_file_id).bytes == len(client.files.content(done.output_file_id).read())
