"""Redis is frozen (SIGSTOP): it takes connections and answers none. Later it goes on."""

import http
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.benchmarks.rig.case import Size
from tests.benchmarks.rig.rig import Rig
from tests.support.waiting import wait_for
from workers.embedded.paths import valkey_socket
from workers.embedded.server import ValkeyServer

from .audit import calls, whole
from .check import Check, Injection
from .limits import ceiling
from .scene import Scene, set_scene
from .web import Answer, Web, web_process

SINGLES = 3
ANSWER_SECONDS = 5.0
RECOVERED_SECONDS = 30.0
PAUSE_SECONDS = 2.0
# Of calls in flight: less than the workers' slots.
CEILING = 60
# What a row that was left takes, at about half of the speed that CEILING calls of 0.2 s at a time allow.
REST_SECONDS = 0.006
OK, UNAVAILABLE = int(http.HTTPStatus.OK), int(http.HTTPStatus.SERVICE_UNAVAILABLE)


def run(rig: Rig, size: Size, *, seconds: float = 120.0) -> Iterator[Check]:
    """Yield the checks of a batch half-way through which Redis is frozen, while pages are asked for (row 4)."""
    limit = ceiling(CEILING)
    what = f"Valkey frozen (SIGSTOP) for {seconds:g} s; {SINGLES} single runs started meanwhile; limit {limit}"
    injection = Injection(f"at 50%: {what}")
    with set_scene(rig, size, limit=limit) as scene, web_process(rig, scene.work.user) as web:
        scene.start()
        scene.wait_for_share(0.5)
        with _frozen(rig):
            thaws = time.monotonic() + seconds
            singles = scene.start_singles(SINGLES)
            answers = _asked(web, scene, thaws)
        thawed = time.monotonic()
        done = scene.done()
        yield from _answered(injection, answers)
        yield injection.at_most("ready again", _ready_again(web), RECOVERED_SECONDS)
        yield injection.at_most("rows end again", _rows_end(scene, done), RECOVERED_SECONDS)
        yield scene.singles_ended(injection, singles, thawed + RECOVERED_SECONDS, RECOVERED_SECONDS)
        rest = round((scene.batch.total - done) * REST_SECONDS)
        yield scene.ended(injection, "batch ended after it went on", RECOVERED_SECONDS + rest)
        found = scene.audit(singles=SINGLES)
        yield whole(injection, found)
        yield calls(injection, found, scene.server, singles=SINGLES)
        yield limit.never_broken(injection, scene.server)


@contextmanager
def _frozen(rig: Rig) -> Iterator[None]:
    """Freeze the server for the length of a block."""
    process = ValkeyServer(rig.folder / "valkey", valkey_socket(rig.folder)).process()
    assert process is not None, "Valkey does not run"
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def _asked(web: Web, scene: Scene, until: float) -> list[Answer]:
    """Ask for readiness and pages again and again until `until` (monotonic)."""
    answers: list[Answer] = []
    while time.monotonic() < until:
        answers += [web.get(path) for path in ("/readyz", "/", f"/batches/{scene.batch.pk}/")]
        time.sleep(min(PAUSE_SECONDS, max(0.0, until - time.monotonic())))
    return answers


def _answered(injection: Injection, answers: list[Answer]) -> Iterator[Check]:
    ready = {answer.status for answer in answers if answer.path == "/readyz"}
    yield injection.expect("/readyz says 503", f"{sorted(ready)}", ready == {UNAVAILABLE})
    pages = {answer.status for answer in answers if answer.path != "/readyz"}
    slowest = max(answers, key=lambda answer: answer.seconds)
    measured = f"{sorted(pages)} to {len(answers)} requests, {slowest.seconds:.1f} s at most ({slowest.path})"
    ok = pages <= {OK, UNAVAILABLE} and slowest.seconds <= ANSWER_SECONDS
    yield injection.expect(f"pages answer 200 or 503 within {ANSWER_SECONDS:g} s", measured, ok)


def _rows_end(scene: Scene, done: int) -> float | None:
    """Return the seconds until more rows than `done` have ended, at once where none is left; None: not in time."""
    try:
        return wait_for(lambda: scene.done() > done or not scene.batch.remaining, RECOVERED_SECONDS, "a row")
    except AssertionError:
        return None


def _ready_again(web: Web) -> float | None:
    try:
        return wait_for(lambda: web.get("/readyz").status == OK, RECOVERED_SECONDS, "readiness")
    except AssertionError:
        return None
