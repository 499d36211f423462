"""`manage.py runs`: single runs by the workers, stored like the rows of a batch."""

import shutil
import time
from typing import Any

import orjson

from agents.selectors import get_version
from batches.management.run_facts import run_facts, story_facts
from batches.management.run_text import conversation_text, story_text
from batches.management.tones import state_colour
from batches.management.watching import NO_WORKER, has_workers
from batches.models import Run
from batches.runs import cancel_run, start_run
from batches.states import TERMINAL_RUN_STATES, RunState
from batches.stories import find_run, run_story
from credentials.management.base import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, ArboretumCommand
from credentials.management.colours import wants_colour
from credentials.management.output import money
from credentials.models import User
from workers.embedded.valkey import ensure_redis
from workers.errors import InvalidInput

_LIST = ("id", "state", "agent", "latency_ms", "cost", "created_at")
_COLOURS = {"state": state_colour(RunState)}
LISTED = 50
POLL_SECONDS = 0.1


class Command(ArboretumCommand):
    """Single runs: start, list, show, cancel."""

    help = "Start single runs on the workers and look at them."

    def add_subcommands(self) -> None:
        """Declare the subcommands."""
        start = self.subcommand("start", self.start, "Start one run of an agent on the workers.")
        start.add_argument("reference", metavar="SLUG[@N]")
        start.add_argument("--input", metavar="JSON", required=True, help="The columns as a JSON object.")
        start.add_argument("--no-cache", action="store_true", help="Let no stored answer serve it.")
        start.add_argument("--wait", action="store_true", help="Wait for the result and print it.")
        self.subcommand("list", self.list, "List the latest single runs.")
        show = self.subcommand("show", self.show, "Show a run's timeline and the messages as the model saw them.")
        show.add_argument("id", metavar="ID|BATCH:INDEX")
        show.add_argument("--messages", action="store_true", help="The conversation alone.")
        show.add_argument(
            "--attempt", type=int, metavar="N", help="One attempt; by default all, and what the last said."
        )
        cancel = self.subcommand("cancel", self.cancel, "Cancel a single run.")
        cancel.add_argument("id", type=int, metavar="ID")

    def start(self, user: User, options: dict[str, Any]) -> int:
        """Start a run; with --wait print its output, 1 where it did not succeed."""
        version = get_version(user, options["reference"])
        ensure_redis()
        run = start_run(user, version, _columns(options["input"]), use_cache=not options["no_cache"])
        if not options["wait"]:
            self.emit(run_facts(run), f"Started run {run.pk}. Look at it: manage.py runs show {run.pk}")
            return EXIT_OK
        if not has_workers("interactive"):
            self.warn(NO_WORKER)
        try:
            run = _ended(run)
        except KeyboardInterrupt:
            self.warn(f"Detached; run {run.pk} goes on. Look at it: manage.py runs show {run.pk}")
            return EXIT_INTERRUPTED
        if run.state == RunState.SUCCEEDED:
            self.emit(run_facts(run), _answer(run))
            return EXIT_OK
        self.emit(run_facts(run))
        self.warn(f"error: {_answer(run)}")
        return EXIT_FAILED

    def list(self, user: User, options: dict[str, Any]) -> int:
        """List the latest single runs that the user may see."""
        related = ("agent_version__agent", "agent_version__credential")
        runs = Run.objects.visible_to(user).singles().select_related(*related).order_by("-id")[:LISTED]
        found = [run_facts(run) for run in runs]
        rows = [[money(run[column]) if column == "cost" else run[column] for column in _LIST] for run in found]
        self.emit(found, self.table(_LIST, rows, "No single runs yet: `manage.py runs start --help`.", _COLOURS))
        return EXIT_OK

    def show(self, user: User, options: dict[str, Any]) -> int:
        """Show a run, of a batch or single: who it is, its timeline, and the messages as the model saw them."""
        story = run_story(find_run(user, options["id"]))
        attempt = options["attempt"]
        if attempt is not None and attempt not in story.said:
            made = ", ".join(map(str, story.said)) or "none"
            raise InvalidInput(f"Run {story.run.pk} has no attempt {attempt}; it has made: {made}.")
        draw = conversation_text if options["messages"] else story_text
        width = shutil.get_terminal_size().columns
        text = draw(story, attempt, width, has_colour=wants_colour(self.stdout))
        self.emit(story_facts(story, attempt), text)
        return EXIT_OK

    def cancel(self, user: User, options: dict[str, Any]) -> int:
        """Cancel a single run."""
        run = cancel_run(user, options["id"])
        self.emit(run_facts(run), f"Run {run.pk} is {run.state}.")
        return EXIT_OK


def _answer(run: Run) -> str:
    """Return what a run that has ended answered: its text, or the vector of an embedding; else why it has none."""
    if run.state != RunState.SUCCEEDED:
        return f"{run.state}: {run.error_code}: {run.error_message}"
    return run.output or ("" if run.parsed is None else orjson.dumps(run.parsed).decode())


def _columns(text: str) -> dict[str, Any]:
    try:
        columns = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"--input is not valid JSON: {error}") from None
    if not isinstance(columns, dict):
        raise InvalidInput('--input must be a JSON object, e.g. {"ticket": "..."}')
    return columns


def _ended(run: Run) -> Run:
    while run.state not in TERMINAL_RUN_STATES:
        time.sleep(POLL_SECONDS)
        run.refresh_from_db()
    return run
