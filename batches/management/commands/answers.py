"""`manage.py answers`: the store of answers."""

from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Min, Sum

from batches.models import StoredAnswer
from credentials.management.base import EXIT_OK, ArboretumCommand
from credentials.models import User
from credentials.selectors import get_credential

CHUNK = 1000
_SUMS = ("pk__count", "bytes__sum", "created_at__min", "created_at__max")


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
        rows = StoredAnswer.objects.visible_to(user).order_by("credential__name")
        sums = (Count("pk"), Sum("bytes"), Min("created_at"), Max("created_at"))
        cells = list(rows.values_list("credential__name").annotate(*sums).values_list("credential__name", *_SUMS))
        empty = "No answers are stored: an agent keeps them with `manage.py agents update SLUG --cache 7d`."
        table = self.table(("credential", "answers", "bytes", "oldest", "latest"), cells, empty)
        data = [dict(zip(("credential", "answers", "bytes", "oldest", "latest"), row, strict=True)) for row in cells]
        self.emit({"bound": settings.ARBORETUM_CACHE_BYTES, "credentials": data}, table)
        return EXIT_OK

    def clear(self, user: User, options: dict[str, Any]) -> int:
        """Forget the answers of a credential, a short transaction at a time."""
        credential = get_credential(user, options["credential"])
        number = 0
        while keys := list(StoredAnswer.objects.filter(credential=credential).values_list("pk", flat=True)[:CHUNK]):
            number += StoredAnswer.objects.filter(pk__in=keys).delete()[0]
        self.emit({"credential": credential.name, "forgotten": number}, f"Forgot {number:,} answers of {credential}.")
        return EXIT_OK
