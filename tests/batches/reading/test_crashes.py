"""Whatever dies while a batch is created or its input is read: the batch runs, once, and nothing is read twice."""

import threading
import time
from collections import Counter

import pytest

from batches.models import Batch, Run
from batches.states import BatchState
from tests.batches.openai_api.lines import CHAT
from tests.support.api_user import ApiUser
from tests.support.factories import ECHO, make_agent, make_user
from tests.support.waiting import wait_for
from tests.support.web_server import WebServer
from tests.support.worker_harness import Workers

from .files import chat, waiting_batch

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.worker]
LINES = 50_000
# What is promised where a process died.
STARTED_SECONDS = 10.0


def state_of(batch_id: int) -> str:
    return Batch.objects.values_list("state", flat=True).get(pk=batch_id)


def test_a_worker_that_dies_while_it_reads_is_followed_by_another(worker_env: dict[str, str]):
    # Rows that nobody takes: what is looked at is their reading.
    agent = make_agent(make_user(), parameters={"simulated": {"latency": 300}})
    content = b"".join(chat(f"row {index}", agent) for index in range(LINES))
    with Workers(2, env=worker_env) as workers:
        batch = waiting_batch(agent.owner, content)
        wait_for(lambda: Batch.objects.get().total > 0, 30, "the reading to begin", every=0.002)
        reader = next(n for n in (0, 1) if "read_input" in workers.log(n))
        workers.kill(reader)
        left = Batch.objects.get()
        assert (left.state, 0 < left.total < LINES) == (BatchState.VALIDATING, True)
        wait_for(lambda: Batch.objects.get().total > left.total, STARTED_SECONDS, "another to go on")
        wait_for(lambda: state_of(batch.pk) == BatchState.RUNNING, 60, "the reading to end")
        rows = Run.objects.of_batch(batch.pk)
        assert (rows.count(), Batch.objects.get().total) == (LINES, LINES)
        assert list(rows.filter(index__in=[0, left.total, LINES - 1]).values_list("custom_id", flat=True)) == [
            "row 0",
            f"row {left.total}",
            f"row {LINES - 1}",
        ]


def test_a_web_process_that_dies_right_after_the_commit_loses_no_batch(server_env: dict[str, str], worker_env):
    user = make_user()
    make_agent(user, slug="echo", parameters=ECHO)
    with WebServer(server_env) as server, ApiUser.make(server, user=user) as api, Workers(1, env=worker_env):
        client = api.client(timeout=30)
        file = client.files.create(file=("in.jsonl", chat("a", "agent:echo")), purpose="batch")
        ask = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h"}
        for number in range(1, 4):
            asking = threading.Thread(target=_ignoring_errors, args=(client.batches.create, ask))
            asking.start()
            wait_for(lambda n=number: Batch.objects.count() == n, 30, "the commit", every=0.0005)
            server.kill()
            began = time.monotonic()
            wait_for(lambda: not Batch.objects.exclude(state="completed").exists(), STARTED_SECONDS, "it to run")
            assert time.monotonic() - began < STARTED_SECONDS
            asking.join()
            server.start()
        client.batches.create(**ask, extra_headers={"x-stainless-retry-count": "1"})
        assert Batch.objects.count() == 3
    assert Counter(Run.objects.values_list("state", flat=True)) == {"succeeded": 3}


def _ignoring_errors(create, ask: dict) -> None:
    try:
        create(**ask)
    except Exception as error:
        # The server is gone; what it has committed is what counts.
        print(f"{type(error).__name__}: {error}")
