"""`manage.py models`: the limits and prices of a credential's models."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from credentials.management.base import EXIT_OK, ArboretumCommand
from credentials.models import ProviderModel, User
from credentials.selectors import get_credential
from credentials.services import ModelLimits, set_model
from workers.errors import InvalidInput

NONE = "none"


class Command(ArboretumCommand):
    """Limits and prices of models."""

    help = "Set and list the limits and prices of a credential's models."

    def add_subcommands(self) -> None:
        """Declare the subcommands."""
        parser = self.subcommand("set", self.set, "Set what is given of a model; 'none' falls back to the defaults.")
        parser.add_argument("credential", metavar="CREDENTIAL")
        parser.add_argument("model", metavar="MODEL", help="The provider's name of it; '*' for the defaults.")
        for option, (_, _, help_text) in OPTIONS.items():
            parser.add_argument(f"--{option}", metavar="N", help=help_text)
        listing = self.subcommand("list", self.list, "List the limits and prices that were set.")
        listing.add_argument("credential", metavar="CREDENTIAL", nargs="?")

    def set(self, user: User, options: dict[str, Any]) -> int:
        """Store limits and prices."""
        credential = get_credential(user, options["credential"])
        limits = ModelLimits(
            **{  # type: ignore[typeddict-item]
                field: _number(option, text, kind)
                for option, (field, kind, _) in OPTIONS.items()
                if (text := options[option.replace("-", "_")]) is not None
            }
        )
        if not limits:
            raise InvalidInput(f"Nothing to set: give at least one of {', '.join(f'--{name}' for name in OPTIONS)}.")
        row = set_model(credential, options["model"], **limits)
        self.emit(_as_data(row), f"Set {row}: {', '.join(f'{field} {value}' for field, value in limits.items())}.")
        return EXIT_OK

    def list(self, user: User, options: dict[str, Any]) -> int:
        """List what was set for the models of one credential, or of all that the user may see."""
        rows = ProviderModel.objects.visible_to(user).select_related("credential").order_by("credential__name", "name")
        if options["credential"] is not None:
            rows = rows.filter(credential=get_credential(user, options["credential"]))
        models = list(rows)
        fields = [field for field, _, _ in OPTIONS.values()]
        headers = ("credential", "model", *OPTIONS)
        cells = [(row.credential.name, row.name, *(getattr(row, field) for field in fields)) for row in models]
        empty = "No limits or prices were set; the providers' own defaults hold."
        self.emit([_as_data(row) for row in models], self.table(headers, cells, empty))
        return EXIT_OK


OPTIONS: dict[str, tuple[str, Callable[[str], int | Decimal], str]] = {
    "rpm": ("requests_per_minute", int, "Requests per minute."),
    "tpm": ("tokens_per_minute", int, "Tokens per minute."),
    "concurrency": ("max_concurrency", int, "Calls in flight at once."),
    "input-price": ("input_price", Decimal, "US dollars per 1,000,000 input tokens."),
    "output-price": ("output_price", Decimal, "US dollars per 1,000,000 output tokens."),
    "context-window": ("context_window", int, "Tokens of input and output together."),
    "max-output": ("max_output_tokens", int, "Tokens of one answer."),
}


def _number(option: str, text: str, kind: Callable[[str], int | Decimal]) -> int | Decimal | None:
    """Return the number in `text`, None for `none`. Raises InvalidInput that names the option."""
    if text.lower() == NONE:
        return None
    try:
        return kind(text)
    except (ValueError, InvalidOperation):
        allowed = "a whole number" if kind is int else "a number"
        raise InvalidInput(f"--{option}: must be {allowed} or '{NONE}', not '{text}'") from None


def _as_data(row: ProviderModel) -> dict[str, Any]:
    return {
        "credential": row.credential.name,
        "model": row.name,
        **{field: getattr(row, field) for field, _, _ in OPTIONS.values()},
    }
