"""`manage.py tokens`: API tokens of users."""

import datetime as dt
from typing import Any

from django.utils import timezone

from credentials.management.base import EXIT_OK, ArboretumCommand
from credentials.models import ApiToken, User
from credentials.selectors import get_token
from credentials.services import create_token, revoke_token
from credentials.tokens import Scope, owner_of_new_token, token_state
from workers.errors import InvalidInput

LONGEST_DAYS = 3650


class Command(ArboretumCommand):
    """API tokens."""

    help = "Create, list and revoke API tokens."

    def add_subcommands(self) -> None:
        """Declare the subcommands."""
        create = self.subcommand("create", self.create, "Create a token; its text is printed this once.")
        create.add_argument("owner", metavar="USER")
        create.add_argument("--name", required=True)
        create.add_argument(
            "--scope", action="append", required=True, help=f"One of {', '.join(Scope.values)}; may be given again."
        )
        create.add_argument(
            "--requests-per-minute", type=int, metavar="N", help="How often it may call; else as the setting says."
        )
        create.add_argument("--expires-in-days", type=int, metavar="DAYS", help="Without it the token never expires.")
        self.subcommand("list", self.list, "List tokens.")
        revoke = self.subcommand("revoke", self.revoke, "Make a token void.")
        revoke.add_argument("token", metavar="TOKEN", help="Its prefix or name, as `list` shows them.")

    def create(self, user: User, options: dict[str, Any]) -> int:
        """Create a token for a user."""
        owner = owner_of_new_token(user, options["owner"])
        token, text = create_token(
            owner,
            options["name"],
            options["scope"],
            _expiry(options["expires_in_days"]),
            requests_per_minute=options["requests_per_minute"],
        )
        self.emit(_as_data(token) | {"token": text}, text)
        self.warn("Keep it now: it is not shown again.")
        return EXIT_OK

    def list(self, user: User, options: dict[str, Any]) -> int:
        """List the tokens that the user may see."""
        tokens = list(ApiToken.objects.visible_to(user).select_related("user").order_by("user__username", "name"))
        headers = ("prefix", "name", "user", "scopes", "state", "a minute", "last used", "expires")
        rows = [_cells(token) for token in tokens]
        empty = "No tokens. Create one: python manage.py tokens create USER --name NAME --scope runs:write"
        self.emit([_as_data(token) for token in tokens], self.table(headers, rows, empty))
        return EXIT_OK

    def revoke(self, user: User, options: dict[str, Any]) -> int:
        """Make a token void."""
        token = get_token(user, options["token"])
        revoked = revoke_token(token)
        self.emit(_as_data(token), f"Revoked {token}." if revoked else f"{token} was revoked before.")
        return EXIT_OK


def _expiry(days: int | None) -> dt.datetime | None:
    if days is None:
        return None
    if not 1 <= days <= LONGEST_DAYS:
        raise InvalidInput(f"--expires-in-days: must be from 1 to {LONGEST_DAYS}")
    return timezone.now() + dt.timedelta(days=days)


def _cells(token: ApiToken) -> tuple[Any, ...]:
    scopes, user = " ".join(token.scopes), token.user.username
    limit, state = token.requests_per_minute, token_state(token)
    return (token.prefix, token.name, user, scopes, state, limit, token.last_used_at, token.expires_at)


def _as_data(token: ApiToken) -> dict[str, Any]:
    return {
        "prefix": token.prefix,
        "name": token.name,
        "user": token.user.username,
        "scopes": token.scopes,
        "state": token_state(token),
        "requests_per_minute": token.requests_per_minute,
        "created_at": token.created_at,
        "last_used_at": token.last_used_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
    }
