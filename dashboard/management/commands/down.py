"""`manage.py down`: stops an embedded Valkey that was left running."""

from typing import Any

from credentials.management.base import EXIT_OK, PlainCommand
from workers.embedded import valkey


class Command(PlainCommand):
    """Stops the embedded Valkey of the data directory, whoever started it."""

    help = "Stop the embedded Valkey, if one was left running."
    # A configuration that keeps the stack from starting must not keep it from being stopped.
    requires_system_checks: list[str] = []

    def run(self, options: dict[str, Any]) -> int:
        """Stop it and say whether one ran. Raises ServerUnavailable where it cannot be stopped."""
        stopped = valkey.stop()
        self.emit({"stopped": stopped}, "Valkey stopped." if stopped else "No embedded Valkey is running.")
        return EXIT_OK
