"""`manage.py demo`: the main job from nothing — an agent, a file of 200 tickets, every result."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from rich.console import Console

from batches.management.summary_text import summary_facts, summary_text
from batches.management.watching import watch
from batches.manager import BatchManager, BatchOptions
from batches.models import Batch
from batches.results import BatchResults
from credentials.management.base import EXIT_FAILED, EXIT_OK, PlainCommand
from credentials.models import User
from credentials.services import ensure_first_superuser
from dashboard.management.demo_agent import SLUG, ensure_demo_agent
from workers.embedded.valkey import ensure_redis, private_folder, stop_if_mine
from workers.local import LocalWorkers

TICKETS = Path("docs/examples/support_tickets.csv")
NEXT_STEPS = """\
What to try next
  look at the results   head -n 3 {output}
  see it in the browser make up
  another agent         .venv/bin/python manage.py agents create --help
  your own file         .venv/bin/python manage.py batches run {slug} FILE.csv --output results.jsonl --start-workers
  a real model          .venv/bin/python manage.py credentials add NAME --provider openai --key-env OPENAI_API_KEY"""


class Command(PlainCommand):
    """Runs the demo: the embedded stack, an agent on the simulated provider, a batch of 200 support tickets."""

    help = "Run a batch of 200 support tickets on the simulated provider, from nothing to the results file."

    def run(self, options: dict[str, Any]) -> int:
        """Do it all, and return 0 when every ticket has its result."""
        console = Console(stderr=True)
        try:
            return self._demo(console)
        finally:
            stop_if_mine()

    def _demo(self, console: Console) -> int:
        user = self._prepare(console)
        version = ensure_demo_agent(user)
        with LocalWorkers() as workers:
            self._say(console, f"Started {workers.count} worker processes.")
            manager = BatchManager(user)
            batch = manager.create(version, settings.BASE_DIR / TICKETS, BatchOptions(name="demo"))
            self._say(console, f"Running {version} over {batch.total} tickets of {TICKETS}.")
            watch(manager.start(batch), console)
        return self._report(console, batch)

    def _prepare(self, console: Console) -> User:
        private_folder(Path(settings.ARBORETUM_DATA_DIR))
        ensure_redis()
        call_command("migrate", interactive=False, verbosity=0)
        user, created = ensure_first_superuser()
        if created:
            self._say(console, f"Created the user '{user}'.")
        return user

    def _report(self, console: Console, batch: Batch) -> int:
        output = Path(settings.ARBORETUM_DATA_DIR) / "demo" / "results.jsonl"
        output.parent.mkdir(parents=True, exist_ok=True)
        results = BatchResults(batch)
        rows = results.export(output)
        shown = output.relative_to(settings.BASE_DIR) if output.is_relative_to(settings.BASE_DIR) else output
        self._say(console, f"Wrote {rows} results to {shown}.\n")
        summary = results.summary()
        steps = NEXT_STEPS.format(output=shown, slug=SLUG)
        self.emit(summary_facts(batch, summary), f"{summary_text(batch, summary)}\n\n{steps}")
        return EXIT_OK if batch.succeeded == batch.total else EXIT_FAILED

    def _say(self, console: Console, text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)
