"""`manage.py up`: everything on this machine, until Ctrl-C."""

import contextlib
import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.urls import reverse

from credentials.services import ensure_first_superuser
from credentials.sign_in import make_sign_in_token
from dashboard.management.stack import HOST, port_is_free, stages
from workers.embedded.paths import flower_socket
from workers.embedded.valkey import ensure_redis, private_folder, stop_if_mine
from workers.errors import InvalidInput, ServerUnavailable
from workers.supervisor import PartFailed, Supervisor


class Command(BaseCommand):
    """Starts web, workers, Flower and Valkey, prints the address and a sign-in link, stops all on Ctrl-C."""

    help = "Start everything on this machine (web, workers, Flower, Valkey) until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the port and the number of worker processes."""
        parser.add_argument("--port", type=int, default=settings.PORT, help="port of the web server (PORT)")
        parser.add_argument(
            "--workers", type=int, default=os.cpu_count() or 1, help="worker processes (one for each core)"
        )

    def handle(self, *args: Any, port: int, workers: int, **options: Any) -> None:
        """Run the stack. Raises CommandError where it cannot start."""
        if workers < 1:
            raise CommandError("--workers must be at least 1.")
        if not port_is_free(port):
            raise CommandError(f"Port {port} is taken; choose another with --port or PORT.")
        try:
            self._prepare()
            parts = stages(port, workers, Path(settings.ARBORETUM_DATA_DIR))
            # Valkey is a server of its own and no part; should it die, it is started again.
            supervisor = Supervisor(parts, self._say, watch=ensure_redis)
            supervisor.run(lambda: self._announce(port))
        except (PartFailed, ServerUnavailable, InvalidInput) as error:
            raise CommandError(str(error)) from None
        finally:
            if stop_if_mine():
                self._say("valkey", "stopped")
            self._say("", "Stopped.")

    def _prepare(self) -> None:
        data_dir = Path(settings.ARBORETUM_DATA_DIR)
        # It holds the database, the secrets, and Flower's socket, which asks nobody who he is.
        private_folder(data_dir)
        private_folder(flower_socket(data_dir).parent)
        ensure_redis()
        call_command("migrate", interactive=False, verbosity=0)
        if not settings.WHITENOISE_USE_FINDERS:
            call_command("collectstatic", interactive=False, verbosity=0)
        user, created = ensure_first_superuser()
        self._user = user
        if created:
            self._say("", f"Created the superuser '{user}'.")
        # The supervisor waits for hours; it keeps no connection meanwhile.
        connections.close_all()
        self._say("", "Starting web, Flower and workers ...")

    def _announce(self, port: int) -> None:
        address = f"http://{HOST}:{port}"
        link = reverse("sign-in-link", args=[make_sign_in_token(self._user)])
        self._say("", f"Arboretum runs at {address}/  (Ctrl-C stops it)")
        self._say("", f"Sign in as '{self._user}', once, within 15 minutes: {address}{link}")

    def _say(self, name: str, line: str) -> None:
        """Print a line of a part, or of our own where `name` is empty."""
        # A terminal that has gone away is no reason to leave the parts alone.
        with contextlib.suppress(OSError):
            sys.stdout.write(f"{name:<8}| {line}\n" if name else f"{line}\n")
            sys.stdout.flush()
