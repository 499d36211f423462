"""`manage.py up`: everything on this machine, until Ctrl-C."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandParser
from django.db import connections
from django.urls import reverse

from credentials.management.base import EXIT_OK, PlainCommand
from credentials.services import ensure_first_superuser
from credentials.sign_in import make_sign_in_token
from dashboard.management.stack import HOST, only_stack_of, port_is_free, stages
from workers.embedded.paths import flower_socket
from workers.embedded.valkey import ensure_redis, private_folder, stop_if_mine
from workers.errors import InvalidInput, ServerUnavailable
from workers.supervisor import PartFailed, Supervisor


class Command(PlainCommand):
    """Starts web, workers, Flower and Valkey, prints the address and a sign-in link, stops all on Ctrl-C."""

    help = "Start everything on this machine (web, workers, Flower, Valkey) until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the port and the number of worker processes."""
        super().add_arguments(parser)
        parser.add_argument("--port", type=int, default=settings.PORT, help="port of the web server (PORT)")
        parser.add_argument(
            "--workers", type=int, default=os.cpu_count() or 1, help="worker processes (one for each core)"
        )

    def run(self, options: dict[str, Any]) -> int:
        """Run the stack until Ctrl-C. Raises ServerUnavailable where it cannot start."""
        port, workers = options["port"], options["workers"]
        if workers < 1:
            raise InvalidInput("--workers must be at least 1.")
        # It holds the database, the secrets, and Flower's socket, which asks nobody who he is.
        data_dir = private_folder(Path(settings.ARBORETUM_DATA_DIR))
        with only_stack_of(data_dir):
            if not port_is_free(port):
                raise ServerUnavailable(f"Port {port} is taken; choose another with --port or PORT.")
            self._run_stack(port, workers, data_dir)
        return EXIT_OK

    def _run_stack(self, port: int, workers: int, data_dir: Path) -> None:
        try:
            self._prepare(data_dir)
            # Valkey is a server of its own and no part; should it die, it is started again.
            supervisor = Supervisor(stages(port, workers, data_dir), self._say, watch=ensure_redis)
            supervisor.run(lambda: self._announce(port))
        except PartFailed as error:
            raise ServerUnavailable(str(error)) from None
        finally:
            if stop_if_mine():
                self._say("valkey", "stopped")
            self._say("", "Stopped.")

    def _prepare(self, data_dir: Path) -> None:
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
        facts = {"address": f"{address}/", "user": self._user.get_username(), "sign_in_link": f"{address}{link}"}
        self.emit(facts)
        if not self._as_json:
            self._say("", f"Arboretum runs at {address}/  (Ctrl-C stops it)")
            self._say("", f"Sign in as '{self._user}', once, within 15 minutes: {address}{link}")

    def _say(self, name: str, line: str) -> None:
        """Print a line of a part, or of our own where `name` is empty."""
        # A terminal that has gone away is no reason to leave the parts alone.
        with contextlib.suppress(OSError):
            # With --json standard output holds the address and the link alone.
            stream = sys.stderr if self._as_json else sys.stdout
            stream.write(f"{name:<8}| {line}\n" if name else f"{line}\n")
            stream.flush()
