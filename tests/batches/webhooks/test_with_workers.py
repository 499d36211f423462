"""From a run to its receiver through real worker processes, also where one is killed."""

import json

import pytest

from agents.models import AgentVersion
from batches.manager import BatchManager
from batches.models import WebhookDelivery
from batches.runs import start_run
from batches.webhooks.services import create_endpoint
from tests.support.factories import make_agent, make_batch
from tests.support.receiver import Receiver
from tests.support.waiting import wait_for
from tests.support.worker_harness import Workers

from .conftest import EVERYTHING


@pytest.mark.worker
def test_runs_and_batches_are_told_of_when_they_end(worker_env: dict[str, str], receiver: Receiver) -> None:
    version: AgentVersion = make_agent().current_version
    create_endpoint(version.agent.owner, receiver.url, EVERYTHING)
    env = worker_env | {"ARBORETUM_OUTBOUND_ALLOW": "127.0.0.1", "ARBORETUM_OUTBOUND_PORTS": str(receiver.port)}
    with Workers(2, env=env) as workers:
        run = start_run(version.agent.owner, version, {"text": "hello"})
        batch = make_batch(version=version, rows=3)
        BatchManager(version.agent.owner).start(batch)
        wait_for(lambda: len(receiver.requests) == 2, 20, "both events")
        # A third is kept on its way until its sender has been killed.
        receiver.pause = 30.0
        second = start_run(version.agent.owner, version, {"text": "again"})
        wait_for(lambda: WebhookDelivery.objects.filter(token__isnull=False).exists(), 20, "the third to be taken")
        for number in range(2):
            workers.kill(number)
        receiver.pause = 0.0
        # Its lease ends a minute later; nobody waits that long here.
        WebhookDelivery.objects.filter(state="pending").update(next_attempt_at="2020-01-01T00:00:00Z")
        workers.restart(0)
        wait_for(
            lambda: not WebhookDelivery.objects.exclude(state="delivered").exists(), 20, "the third to be sent again"
        )
    told = {(event["type"], event["data"]["id"]) for event in (json.loads(r.body) for r in receiver.requests)}
    assert told == {
        ("run.completed", str(run.pk)),
        ("run.completed", str(second.pk)),
        ("batch.completed", f"batch_{batch.pk}"),
    }
    assert WebhookDelivery.objects.count() == 3
