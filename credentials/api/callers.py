"""Who calls the API: the user of a token, and what the token may do."""

from dataclasses import dataclass

from django.http import HttpRequest

from credentials.models import ApiToken, User
from credentials.tokens import Scope, authenticate_token

from .allowance import Allowance, take_request
from .threads import in_database

# Where the middleware finds them; a request is told once who calls, however often somebody asks.
_CALLER = "arboretum.caller"
_ALLOWANCE = "arboretum.allowance"


class Unauthenticated(Exception):
    """The request names no valid token."""


class Forbidden(Exception):
    """The token is valid, and not for this."""


class TooMany(Exception):
    """The token has asked too often; `allowance` says when it may again."""

    def __init__(self, allowance: Allowance) -> None:
        """Hold the allowance, none of which is left."""
        super().__init__(f"More than {allowance.limit} requests within a minute with this token.")
        self.allowance = allowance


@dataclass(frozen=True, slots=True)
class Caller:
    """The user who calls, and the token that he calls with."""

    user: User
    token: ApiToken

    def may(self, *scopes: str) -> bool:
        """Return whether the token has one of `scopes`, or the scope that includes all."""
        return not {Scope.ADMIN, *scopes}.isdisjoint(self.token.scopes)

    def require(self, *scopes: str) -> None:
        """Raise Forbidden where the token has none of `scopes`."""
        if not self.may(*scopes):
            raise Forbidden(f"The token needs the scope {' or '.join(scopes)}; it has {', '.join(self.token.scopes)}.")


async def authenticate(request: HttpRequest) -> Caller:
    """Return who calls, by the header `Authorization: Bearer arb_...`. Raises Unauthenticated and TooMany.

    Where the view goes to the database anyway, `caller_of` inside its `in_database` saves the second way there.
    """
    known = known_caller(request)
    return await in_database(caller_of, request) if known is None else known


def caller_of(request: HttpRequest) -> Caller:
    """Return who calls, as `authenticate` does, from a thread that may use the database.

    The token is looked up for every request: one that was revoked is void at once.
    """
    known = known_caller(request)
    if known is not None:
        return known
    token = authenticate_token(_bearer(request))
    if token is None:
        raise Unauthenticated("The API token is not known, or it has expired or was revoked.")
    caller = request.META[_CALLER] = Caller(token.user, token)
    allowance = request.META[_ALLOWANCE] = take_request(token)
    if allowance is not None and not allowance.is_granted:
        raise TooMany(allowance)
    return caller


def names_a_token(request: HttpRequest) -> bool:
    """Return whether `request` names a valid token, which is not counted as a request of it yet."""
    try:
        return authenticate_token(_bearer(request)) is not None
    except Unauthenticated:
        return False


def known_caller(request: HttpRequest) -> Caller | None:
    """Return who calls where the request was told already, else None."""
    caller: Caller | None = request.META.get(_CALLER)
    return caller


def allowance_of(request: HttpRequest) -> Allowance | None:
    """Return what is left of the token's requests; None where it was not counted."""
    allowance: Allowance | None = request.META.get(_ALLOWANCE)
    return allowance


def _bearer(request: HttpRequest) -> str:
    header: str = request.META.get("HTTP_AUTHORIZATION", "")
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise Unauthenticated("An API token is needed, in the header Authorization: Bearer arb_...")
    return text.strip()
