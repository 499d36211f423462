"""The web process is killed right after the COMMIT of a request that makes a batch, or starts one."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO

import httpx2
import openai

from batches.models import Batch
from tests.benchmarks.rig.api import token_of
from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig
from tests.benchmarks.rig.rows import chat_line, row_text
from tests.support.web_server import WebServer

from . import killed_web
from .check import Check, Injection
from .killed_starts import started_at
from .many_batches import ended, started
from .scene import Scene, set_scene

ENDPOINT = "/v1/chat/completions"
END_SECONDS = 30.0
TIMEOUT_SECONDS = 60.0
# What the client says of itself when it sends a request again by itself (openai/_base_client.py).
SENT_AGAIN = {"x-stainless-retry-count": "1"}


@dataclass
class Deaths:
    """What became of the requests whose process died: the batches, and how often each thing happened."""

    batches: dict[Batch, datetime] = field(default_factory=dict)
    killed: int = 0
    unanswered: int = 0
    same: int = 0


def run(rig: Rig, size: Size) -> Iterator[Check]:
    """Yield the checks of `size.repeats` batches that share `size.rows` rows; half are created, half are started.

    Row 8 of the table. Those created come through `/v1/batches` and start by themselves; the others are started
    through `/api/v1/`. Each request that was not answered is sent again to the next process, as clients do.
    """
    times = max(1, size.repeats // 2)
    with set_scene(rig, Size(max(1, size.rows // (2 * times)), 1), call_seconds=0.0) as scene:
        token = token_of(scene.work.user)
        for what, injure in HALVES:
            injection = Injection(f"{times} web processes killed (-9) right after the COMMIT that {what} a batch")
            deaths = Deaths()
            with _dying_web(rig, what) as web:
                for _ in range(times):
                    injure(scene, web, token, deaths)
            yield from _checks(injection, scene, deaths, times)


def _checks(injection: Injection, scene: Scene, deaths: Deaths, times: int) -> Iterator[Check]:
    measured = f"{deaths.killed} killed, {deaths.unanswered} requests unanswered"
    yield injection.expect(f"{times} killed, no answer", measured, deaths.killed == deaths.unanswered == times)
    yield started(injection, deaths.batches)
    yield injection.expect(f"sent again: {times} times the batch that is there", str(deaths.same), deaths.same == times)
    yield from ended(injection, scene, list(deaths.batches))
    scene.server.reset()


@contextmanager
def _dying_web(rig: Rig, what: str) -> Iterator[WebServer]:
    statement = {"creates": "INSERT", "starts": "UPDATE"}[what]
    application = f"{killed_web.__name__}:application"
    with WebServer(rig.worker_env(), application=application, **{killed_web.KILLED_AT: statement}) as web:
        yield web


def _create(scene: Scene, web: WebServer, token: str, deaths: Deaths) -> None:
    """Upload a file of the scene's rows and create a batch of it; create it again, after the death."""
    version = scene.batch.agent_version
    assert version is not None
    lines = (chat_line(index, f"agent:{version.agent.slug}", row_text(index)) for index in range(scene.batch.total))
    client = openai.OpenAI(base_url=f"{web.origin}/v1", api_key=token, max_retries=0, timeout=TIMEOUT_SECONDS)
    with client:
        file = client.files.create(file=("rows.jsonl", BytesIO(b"".join(lines))), purpose="batch")

        def create(headers: dict[str, str]) -> str:
            return client.batches.create(
                input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h", extra_headers=headers
            ).id

        _until_death(web, lambda: create({}), deaths)
        again = create(SENT_AGAIN)
    made = list(Batch.objects.filter(input_file=int(file.id.removeprefix("file-"))))
    deaths.same += [f"batch_{batch.pk}" for batch in made] == [again]
    deaths.batches.update((batch, batch.created_at) for batch in made)


def _start(scene: Scene, web: WebServer, token: str, deaths: Deaths) -> None:
    """Start a batch that is ready; start it again, after the death."""
    batch = scene.work.batch(scene.batch.agent_version, scene.batch.total)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=f"{web.origin}/api/v1", headers=headers, timeout=TIMEOUT_SECONDS) as client:

        def start() -> int:
            return client.post(f"/batches/{batch.pk}/start").status_code

        _until_death(web, start, deaths)
        # It runs, or has ended already.
        deaths.same += start() in (httpx2.codes.OK, httpx2.codes.CONFLICT)
    deaths.batches[batch] = started_at(batch)


def _until_death(web: WebServer, ask: Callable[[], object], deaths: Deaths) -> None:
    """Ask the process that will die of it; then start the next one at the same address."""
    try:
        ask()
    except (openai.APIConnectionError, httpx2.TransportError):
        deaths.unanswered += 1
    deaths.killed += web.wait(END_SECONDS) == -signal.SIGKILL
    web.start()


HALVES = (("creates", _create), ("starts", _start))
