"""`manage.py models`: the limits and prices of a credential's models."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils import timezone
from redis.exceptions import RedisError

from credentials.known import KnownRow, known_models
from credentials.limits import ModelState, model_states
from credentials.management.base import EXIT_OK, ArboretumCommand
from credentials.models import ProviderModel, User
from credentials.selectors import get_credential
from credentials.services import ModelLimits, set_model, unblock
from workers.embedded.valkey import ensure_redis, stop_if_mine
from workers.errors import InvalidInput, ServerUnavailable

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
        unblock = self.subcommand("unblock", self.unblock, "Let calls start that the provider told to wait.")
        unblock.add_argument("credential", metavar="CREDENTIAL")
        unblock.add_argument("model", metavar="MODEL", nargs="?", help="That model alone; else all of the credential.")
        known = self.subcommand("known", self.known, "List the models whose prices and sizes are known.")
        known.add_argument("credential", metavar="CREDENTIAL", nargs="?")
        listing = self.subcommand("list", self.list, "List limits and prices, and what holds calls back now.")
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
        told = ", ".join(f"{field} {'none' if value is None else value}" for field, value in limits.items())
        self.emit(_as_data(row), f"Set {row}: {told}.")
        return EXIT_OK

    def known(self, user: User, options: dict[str, Any]) -> int:
        """List the known models of one credential's provider, or of all that the user may see, as they hold there."""
        one = get_credential(user, options["credential"]) if options["credential"] is not None else None
        rows = known_models(user, one)
        headers = ("credential", "model", *OPTIONS, "set here")
        cells = [
            (
                row.credential.name,
                row.name,
                *map(_shown, _in_order(row.values)),
                row.is_overridden,
            )
            for row in rows
        ]
        empty = "No models are known. Prices are set with: python manage.py models set CREDENTIAL MODEL --input-price P"
        self.emit([_known_data(row) for row in rows], self.table(headers, cells, empty))
        return EXIT_OK

    def unblock(self, user: User, options: dict[str, Any]) -> int:
        """Lift the blocks of a credential, or of one model of it."""
        credential, model = get_credential(user, options["credential"]), options["model"]
        what = credential.name if model is None else f"{credential.name}/{model}"
        ensure_redis()
        try:
            was_blocked = unblock(credential, model)
        except RedisError as error:
            raise ServerUnavailable(f"Redis does not answer, so the workers were not told of {what}: {error}") from None
        finally:
            stop_if_mine()
        data = {"credential": credential.name, "model": model, "was_blocked": was_blocked}
        self.emit(data, f"Unblocked {what}." if was_blocked else f"{what} was not blocked.")
        if model is not None and (until := credential.blocked_until) is not None and until > timezone.now():
            self.warn(f"All models of {credential.name} are blocked until {_time(until)}: leave the model out.")
        return EXIT_OK

    def list(self, user: User, options: dict[str, Any]) -> int:
        """List the limits and prices of one credential's models, or of all that the user may see, and their state."""
        credential = get_credential(user, options["credential"]) if options["credential"] is not None else None
        states = model_states(user, credential)
        headers = ("credential", "model", *OPTIONS, "calls", "waiting", "held back by", "until")
        cells = [_cells(model, is_live=states.is_live) for model in states.models]
        empty = "No limits or prices were set, and no model was used lately; the providers' own defaults hold."
        self.emit([_state_data(model) for model in states.models], self.table(headers, cells, empty))
        return EXIT_OK


OPTIONS: dict[str, tuple[str, Callable[[str], int | Decimal], str]] = {
    "rpm": ("requests_per_minute", int, "Requests per minute."),
    "tpm": ("tokens_per_minute", int, "Tokens per minute."),
    "concurrency": ("max_concurrency", int, "Calls in flight at once."),
    "input-price": ("input_price", Decimal, "US dollars per 1,000,000 input tokens."),
    "output-price": ("output_price", Decimal, "US dollars per 1,000,000 output tokens."),
    "cached-input-price": ("cached_input_price", Decimal, "... that the provider had in its cache."),
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


def _cells(model: ModelState, *, is_live: bool) -> tuple[Any, ...]:
    limits, now = model.limits, model.now
    own = [_shown(getattr(limits, field, None)) for field, _, _ in OPTIONS.values()]
    if not is_live:
        return (model.credential.name, model.name, *own, "?", "?", "unknown", _time(model.blocked_until))
    calls, waiting = (now.in_flight, now.waiting) if now else (0, 0)
    return (model.credential.name, model.name, *own, calls, waiting, model.held_back_by, _time(model.until))


def _in_order(values: Mapping[str, Any]) -> list[Any]:
    return [values[field] for field, _, _ in OPTIONS.values()]


def _shown(value: int | Decimal | None) -> int | Decimal | None:
    """Return a limit as it is, and a price with as many decimals as it needs, but two at least."""
    if not isinstance(value, Decimal):
        return value
    whole, _, decimals = f"{value:f}".partition(".")
    return Decimal(f"{whole}.{decimals.rstrip('0'):0<2}")


def _time(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else None


def _state_data(model: ModelState) -> dict[str, Any]:
    own = {field: getattr(model.limits, field, None) for field, _, _ in OPTIONS.values()}
    now = None if model.now is None else asdict(model.now)
    names = {"credential": model.credential.name, "model": model.name}
    return names | own | {"blocked_until": model.blocked_until, "held_back_by": model.held_back_by, "now": now}


def _known_data(row: KnownRow) -> dict[str, Any]:
    names = {"credential": row.credential.name, "model": row.name}
    return names | {field: row.values[field] for field, _, _ in OPTIONS.values()} | {"set_here": row.is_overridden}


def _as_data(row: ProviderModel) -> dict[str, Any]:
    return {
        "credential": row.credential.name,
        "model": row.name,
        **{field: getattr(row, field) for field, _, _ in OPTIONS.values()},
    }
