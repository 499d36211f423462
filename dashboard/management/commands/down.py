"""`manage.py down`: stops an embedded Valkey that was left running."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workers.embedded import valkey
from workers.errors import ServerUnavailable


class Command(BaseCommand):
    """Stops the embedded Valkey of the data directory, whoever started it."""

    help = "Stop the embedded Valkey, if one was left running."
    # A configuration that keeps the stack from starting must not keep it from being stopped.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Stop it and say whether one ran. Raises CommandError where it cannot be stopped."""
        try:
            stopped = valkey.stop()
        except ServerUnavailable as error:
            raise CommandError(str(error)) from None
        self.stdout.write("Valkey stopped." if stopped else "No embedded Valkey is running.")
