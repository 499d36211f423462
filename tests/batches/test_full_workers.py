"""Single runs beside a worker process that has no thread left: another has."""

import time

import pytest

from batches.models import Run
from batches.runs import cancel_run, start_run
from batches.states import RunState
from tests.support.factories import make_agent, make_credential, make_user
from tests.support.provider_server import ProviderServer
from tests.support.waiting import wait_for
from tests.support.worker_harness import Workers

pytestmark = pytest.mark.worker
THREADS = 3


def test_a_full_worker_takes_nothing_from_those_that_have_threads(worker_env: dict[str, str]) -> None:
    env = {**worker_env, "ARBORETUM_WORKER_THREADS": str(THREADS)}
    user = make_user()
    full, other = Workers(1, env=env), Workers(1, env=env)
    other.processes[0].name = "other"
    with ProviderServer() as provider, full:
        credential = make_credential(user, provider="openai", base_url=provider.base_url, key="sk-test")
        version = make_agent(user, credential=credential, model="fake-small").current_version
        provider.configure(latency=60.0)
        slow = [start_run(user, version, {"text": "Hi"}) for _ in range(THREADS)]
        wait_for(lambda: provider.stats()["in_flight"] == THREADS, 20, "the worker to be full")
        with other:
            provider.configure(latency=0.0)
            began = time.monotonic()
            quick = []
            for _ in range(3 * THREADS):
                quick.append(start_run(user, version, {"text": "Hi"}).pk)
                # Each goes to whoever has waited longest for a message: in turn to both, if both wait.
                time.sleep(0.05)
            done = Run.objects.filter(pk__in=quick, state=RunState.SUCCEEDED)
            wait_for(lambda: done.count() == len(quick), 20, "the other worker to run the others")
            # Maintenance offers again after 5 s what a process keeps to itself.
            assert time.monotonic() - began < 4
            for run in slow:
                cancel_run(user, run.pk)
