"""`manage.py doctor`: looks at all that Arboretum needs and says what to do."""

from typing import Any

from django.core.management.base import CommandParser

from credentials.management.base import EXIT_FAILED, EXIT_OK, PlainCommand
from credentials.management.colours import wants_colour
from dashboard.doctor.checks import chosen_checks
from dashboard.doctor.findings import run_checks
from dashboard.doctor.table import finding_facts, findings_table


class Command(PlainCommand):
    """Checks servers, keys, workers, clocks, disk; works when some of them are down."""

    help = "Check servers, keys, workers, clocks and disk, and say what to do."
    # A broken configuration is what it is there to explain.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--online`."""
        super().add_arguments(parser)
        parser.add_argument("--online", action="store_true", help="Show each key to its provider, too.")

    def run(self, options: dict[str, Any]) -> int:
        """Look at everything; 1 where there is a problem."""
        reports = run_checks(chosen_checks(online=options["online"]))
        fine = not any(report.has_problem for report in reports)
        checks = [{"name": it.name, "findings": [finding_facts(found) for found in it.findings]} for it in reports]
        self.emit({"ok": fine, "checks": checks}, findings_table(reports, coloured=wants_colour(self.stdout)))
        return EXIT_OK if fine else EXIT_FAILED
