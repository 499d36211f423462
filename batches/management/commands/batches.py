"""`manage.py batches`: an agent over a file of inputs, from the file to the results."""

import argparse
import contextlib
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from agents.selectors import get_version
from batches.management.ending import add_ending, ring, run_then
from batches.management.estimate_command import EstimateCommand, add_estimate_arguments
from batches.management.export_command import add_export, export_results
from batches.management.results_command import add_results, results_of
from batches.management.summary_text import batch_facts, rows_text, share_text, summary_facts, summary_text
from batches.management.tones import state_colour
from batches.management.watching import watch
from batches.manager import LARGEST_WEIGHT, BadRows, BatchManager, BatchOptions
from batches.models import Batch
from batches.results import BatchResults
from batches.results.formats import export_format, format_of_path
from batches.states import BatchState, Priority
from credentials.management.base import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, ArboretumCommand
from credentials.management.output import money, printable
from credentials.models import User
from workers.embedded.valkey import ensure_redis, stop_if_mine
from workers.errors import ErrorCode, InvalidInput
from workers.local import LocalWorkers

_LIST = ("id", "name", "state", "priority", "weight", "agent", "total", "succeeded", "failed", "cost", "created_at")
_COLOURS = {"state": state_colour(BatchState)}
LISTED = 50
LISTED_REASON = 80


class Command(ArboretumCommand):
    """Batches: create, run, watch, control, repair, export."""

    help = "Run an agent over a file of inputs and manage the batches."

    def add_subcommands(self) -> None:
        """Declare the subcommands."""
        run = self.subcommand("run", self.run_batch, "Create a batch, run it to its end, write the results.")
        _add_creation(run)
        run.add_argument("--output", type=Path, metavar="FILE", help="Results file: .jsonl, .csv or .parquet.")
        _add_start_workers(run)
        add_ending(run)
        create = self.subcommand("create", self.create, "Create a batch; `batches resume ID` starts it.")
        _add_creation(create)
        create.add_argument("--start", action="store_true", help="Start it at once.")
        estimate = self.subcommand("estimate", self.estimate, "Say what a file will take, before it runs.")
        add_estimate_arguments(estimate)
        _add_choices(estimate)
        _add_start_workers(estimate)
        listing = self.subcommand("list", self.list, "List the latest batches.")
        listing.add_argument("--state", choices=BatchState.values)
        self._with_id("status", self.status, "Show where a batch stands.")
        watching = self._with_id("watch", self.watch, "Watch a batch until it ends.")
        _add_start_workers(watching)
        add_ending(watching)
        self._with_id("pause", self.pause, "Take no new rows; calls in flight end.")
        self._with_id("resume", self.resume, "Start a ready batch, or go on with a paused one.")
        self._with_id("cancel", self.cancel, "End a batch; finished rows stay.")
        change = self._with_id("change", self.change, "Change a batch's priority or weight, also while it runs.")
        _add_share(change, None, None)
        retry = self._with_id("retry", self.retry, "Run failed rows again: all, or those chosen.")
        retry.add_argument(
            "--code", action="append", default=[], choices=[code.value for code in ErrorCode], metavar="CODE"
        )
        retry.add_argument("--index", action="append", default=[], type=int, metavar="N", help="A row, from 0.")
        retry.add_argument("--agent-version", metavar="N", help="With version N of the agent, or another SLUG@N.")
        add_results(self._with_id("results", self.results, "Show results as a table, or what they come to by group."))
        add_export(self._with_id("export", self.export, "Write the results to a file, or to files in a folder."))

    def run_batch(self, user: User, options: dict[str, Any]) -> int:
        """Create a batch, run it, write the results; 1 where a row did not succeed."""
        _check_output(options["output"])
        ensure_redis()
        try:
            batch = self._create(user, options)
            BatchManager(user).start(batch)
            code = self._watch(batch, options["start_workers"])
            if code != EXIT_INTERRUPTED and options["output"] is not None:
                rows = BatchResults(batch).export(options["output"])
                self.say(f"Wrote {rows:,} results to {options['output']}.")
            return self._ended(batch, code, options)
        finally:
            stop_if_mine()

    def create(self, user: User, options: dict[str, Any]) -> int:
        """Create a batch."""
        ensure_redis()
        batch = self._create(user, options)
        if options["start"]:
            BatchManager(user).start(batch)
        then = "" if options["start"] else f" Start it: manage.py batches resume {batch.pk}"
        self.emit(batch_facts(batch), f"Created batch {batch.pk} ({batch}) with {batch.total:,} rows.{then}")
        return EXIT_OK

    def estimate(self, user: User, options: dict[str, Any]) -> int:
        """Say what a file or a batch will take in tokens and money; with a pilot, run a few of its rows first."""
        with self._telling_bad_rows():
            return EstimateCommand(self._console(), self.emit, self._create).run(user, options)

    def list(self, user: User, options: dict[str, Any]) -> int:
        """List the latest batches that the user may see."""
        batches = Batch.objects.visible_to(user).select_related("agent_version__agent")
        if options["state"]:
            batches = batches.filter(state=options["state"])
        found = [batch_facts(batch) for batch in batches[:LISTED]]
        columns = (*_LIST, "state_reason") if any(batch["state_reason"] for batch in found) else _LIST
        rows = [[_listed(batch, column) for column in columns] for batch in found]
        none = (
            f"No batch is {options['state']}."
            if options["state"]
            else "No batches yet: `manage.py batches run --help`."
        )
        self.emit(found, self.table(columns, rows, none, _COLOURS))
        return EXIT_OK

    def status(self, user: User, options: dict[str, Any]) -> int:
        """Show a batch's summary."""
        self._emit_summary(BatchManager(user).get(options["id"]))
        return EXIT_OK

    def watch(self, user: User, options: dict[str, Any]) -> int:
        """Watch a batch until it ends; 1 where a row did not succeed."""
        ensure_redis()
        try:
            batch = BatchManager(user).get(options["id"])
            return self._ended(batch, self._watch(batch, options["start_workers"]), options)
        finally:
            stop_if_mine()

    def pause(self, user: User, options: dict[str, Any]) -> int:
        """Pause a batch."""
        manager = BatchManager(user)
        return self._changed(manager.pause(manager.get(options["id"])))

    def resume(self, user: User, options: dict[str, Any]) -> int:
        """Start or resume a batch."""
        ensure_redis()
        manager = BatchManager(user)
        batch = manager.get(options["id"])
        return self._changed(manager.start(batch) if batch.state == BatchState.READY else manager.resume(batch))

    def cancel(self, user: User, options: dict[str, Any]) -> int:
        """Cancel a batch."""
        ensure_redis()
        manager = BatchManager(user)
        return self._changed(manager.cancel(manager.get(options["id"])))

    def change(self, user: User, options: dict[str, Any]) -> int:
        """Change a batch's priority or weight."""
        manager = BatchManager(user)
        chosen = options["priority"]
        priority = None if chosen is None else Priority[chosen.upper()]
        batch = manager.change(manager.get(options["id"]), priority=priority, weight=options["weight"])
        self.emit(batch_facts(batch), f"Batch {batch.pk} has {share_text(batch)}.")
        return EXIT_OK

    def retry(self, user: User, options: dict[str, Any]) -> int:
        """Run failed rows again."""
        ensure_redis()
        manager = BatchManager(user)
        batch = manager.get(options["id"])
        version = _other_version(user, batch, options["agent_version"])
        number = manager.retry(batch, codes=options["code"], indexes=options["index"], version=version)
        told = f"{rows_text(number)} of batch {batch.pk} to run again."
        if not number:
            told = f"Nothing to run again: no row of batch {batch.pk} failed" + (
                " of those chosen." if options["code"] or options["index"] else "."
            )
        self.emit({**batch_facts(batch), "retried": number}, told)
        return EXIT_OK

    def results(self, user: User, options: dict[str, Any]) -> int:
        """Show results."""
        self.emit(*results_of(BatchManager(user).get(options["id"]), options))
        return EXIT_OK

    def export(self, user: User, options: dict[str, Any]) -> int:
        """Write results to a file or a folder; what a folder lacks is said, and no failure."""
        exported = export_results(BatchManager(user).get(options["id"]), options)
        self.emit(exported.facts, exported.text)
        return EXIT_OK

    def _create(self, user: User, options: dict[str, Any]) -> Batch:
        version = get_version(user, options["reference"])
        chosen = BatchOptions(
            name=options["name"],
            priority=Priority[options["priority"].upper()],
            weight=options["weight"],
            skip_bad_rows=options["skip_bad_rows"],
            use_cache=not options["no_cache"],
            tells_rows=options["tell_rows"],
        )
        with self._telling_bad_rows():
            return BatchManager(user).create(version, options["file"], chosen)

    @contextlib.contextmanager
    def _telling_bad_rows(self) -> Iterator[None]:
        """Name the bad rows on standard error, and end with what can be done about them."""
        try:
            yield
        except BadRows as error:
            self.say(str(error))
            raise InvalidInput("Nothing was created. Mend the rows, or leave them out with --skip-bad-rows.") from None

    def _watch(self, batch: Batch, start_workers: bool) -> int:
        try:
            with LocalWorkers() if start_workers else contextlib.nullcontext():
                watch(batch, self._console())
        except KeyboardInterrupt:
            self.say(detached_text(batch, start_workers))
            return EXIT_INTERRUPTED
        self._emit_summary(batch)
        return EXIT_OK if batch.succeeded == batch.total else EXIT_FAILED

    def _ended(self, batch: Batch, code: int, options: dict[str, Any]) -> int:
        """Ring the bell and run the command that were asked for, unless Ctrl-C came first; return `code`."""
        if code == EXIT_INTERRUPTED:
            return code
        if options["bell"]:
            ring(sys.stderr)
        if options["then"]:
            self.stdout.flush()
            ended = run_then(options["then"], batch, options.get("output"), quiet=self._as_json)
            self.say(f"The command after the batch ended with {ended}.")
        return code

    def _emit_summary(self, batch: Batch) -> None:
        summary = BatchResults(batch).summary()
        self.emit(summary_facts(batch, summary), summary_text(batch, summary))

    def _changed(self, batch: Batch) -> int:
        self.emit(batch_facts(batch), f"Batch {batch.pk} is {batch.state}.")
        return EXIT_OK

    def _console(self) -> Console:
        # Progress and remarks go to standard error, so that standard output holds the summary alone.
        return Console(stderr=True)

    def say(self, text: str) -> None:
        """Print a remark on standard error."""
        self._console().print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def _with_id(self, name: str, handler: Any, help: str) -> argparse.ArgumentParser:
        parser = self.subcommand(name, handler, help)
        parser.add_argument("id", type=int, metavar="ID")
        return parser


def detached_text(batch: Batch, start_workers: bool) -> str:
    """Return what a person should know who stopped watching with Ctrl-C."""
    if start_workers:
        on = f"manage.py batches watch {batch.pk} --start-workers"
        return f"The workers are stopped; what has ended is kept. Go on with batch {batch.pk}: {on}"
    return f"Detached; batch {batch.pk} goes on. Watch it again: manage.py batches watch {batch.pk}"


def _add_creation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="SLUG[@N]")
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV with a header row, or JSONL.")
    _add_choices(parser)


def _add_choices(parser: argparse.ArgumentParser) -> None:
    """Declare what may be chosen about a new batch."""
    parser.add_argument("--name", default="", help="By default the file's name.")
    _add_share(parser, "normal", 1)
    parser.add_argument("--no-cache", action="store_true", help="Let no stored answer serve a row.")
    parser.add_argument("--tell-rows", action="store_true", help="Tell webhooks of each row that ends.")
    parser.add_argument("--skip-bad-rows", action="store_true", help="Leave bad rows out; else they refuse the file.")


def _add_share(parser: argparse.ArgumentParser, priority: str | None, weight: int | None) -> None:
    """Declare --priority and --weight with their defaults."""
    parser.add_argument("--priority", choices=[name.lower() for name in Priority.names], default=priority)
    share = f"1 to {LARGEST_WEIGHT}: its share of a model beside batches of its priority."
    parser.add_argument("--weight", type=int, default=weight, metavar="N", help=share)


def _listed(batch: dict[str, Any], column: str) -> Any:
    value = batch[column]
    if column == "cost":
        return money(value)
    return textwrap.shorten(value, LISTED_REASON, placeholder="…") if column == "state_reason" else value


def _add_start_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--start-workers", action="store_true", help="Run worker processes for as long as it takes.")


def _check_output(path: Path | None) -> None:
    """Raise InvalidInput before anything runs where the results could not be written."""
    if path is None:
        return
    export_format(format_of_path(path))
    if not path.resolve().parent.is_dir():
        raise InvalidInput(f"--output: the folder {path.resolve().parent} does not exist.")


def _other_version(user: User, batch: Batch, given: str | None) -> Any:
    if given is None:
        return None
    return get_version(user, f"{batch.version.agent.slug}@{given}" if given.isdigit() else given)
