"""`manage.py answers`: the store of answers."""

from dataclasses import asdict
from typing import Any

from django.conf import settings

from batches.stored_answers import forget_answers, stored_answers
from credentials.management.base import EXIT_OK, ArboretumCommand
from credentials.models import User
from credentials.selectors import get_credential

_COLUMNS = ("credential", "answers", "bytes", "oldest", "latest")


class Command(ArboretumCommand):
    """The store of answers: what it holds, and emptying it."""

    help = "Show and empty the store of answers that serves identical requests."

    def add_subcommands(self) -> None:
        """Declare the subcommands."""
        self.subcommand("list", self.list, "Show what the store holds, by credential.")
        clear = self.subcommand("clear", self.clear, "Forget the answers of a credential: they are asked for again.")
        clear.add_argument("credential", metavar="CREDENTIAL")

    def list(self, user: User, options: dict[str, Any]) -> int:
        """Show what the store holds of the credentials that the user may see."""
        found = [asdict(answers) for answers in stored_answers(user)]
        empty = "No answers are stored: an agent keeps them with `manage.py agents update SLUG --cache 7d`."
        table = self.table(_COLUMNS, [list(answers.values()) for answers in found], empty)
        self.emit({"bound": settings.ARBORETUM_CACHE_BYTES, "credentials": found}, table)
        return EXIT_OK

    def clear(self, user: User, options: dict[str, Any]) -> int:
        """Forget the answers of a credential."""
        credential = get_credential(user, options["credential"])
        number = forget_answers(credential)
        self.emit({"credential": credential.name, "forgotten": number}, f"Forgot {number:,} answers of {credential}.")
        return EXIT_OK
