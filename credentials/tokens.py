"""API tokens: 256 random bits, shown once; the table holds their SHA-256 alone."""

import datetime as dt
import hashlib
import re
import secrets
from collections.abc import Collection
from typing import Literal

import structlog
from django.db import IntegrityError, OperationalError, models, transaction
from django.db.models import Q
from django.utils import timezone

from workers.errors import InvalidInput

from .models import ApiToken, User
from .selectors import get_user
from .validation import check_instance

log = structlog.get_logger(__name__)
TokenState = Literal["valid", "revoked", "expired"]

TOKEN_START = "arb_"  # noqa: S105  # what every token begins with, so that leaked ones can be found
_SECRET_BYTES = 32
_SHOWN = len(TOKEN_START) + 8
_TOKEN = re.compile(r"arb_[A-Za-z0-9_-]{43}\Z")
# The time of last use is for people; a write on every request would cost more than it tells.
_LAST_USED_EVERY = dt.timedelta(minutes=1)


class Scope(models.TextChoices):
    """What a token may do, within what its user may do.

    Reading and writing are apart: neither includes the other. Files go with batches, models and their limits with
    credentials. `admin` includes all others, and is what tokens themselves are managed with.
    """

    RUNS_READ = "runs:read"
    RUNS_WRITE = "runs:write"
    BATCHES_READ = "batches:read"
    BATCHES_WRITE = "batches:write"
    AGENTS_READ = "agents:read"
    AGENTS_WRITE = "agents:write"
    CREDENTIALS_READ = "credentials:read"
    CREDENTIALS_WRITE = "credentials:write"
    ADMIN = "admin"


def create_token(
    user: User,
    name: str,
    scopes: Collection[str],
    expires_at: dt.datetime | None = None,
    *,
    requests_per_minute: int | None = None,
) -> tuple[ApiToken, str]:
    """Return a new token of `user` and its text, which cannot be had again.

    `requests_per_minute` is how often it may call; None: as often as `ARBORETUM_TOKEN_REQUESTS_PER_MINUTE` says.
    Raises InvalidInput for a name in use, an unknown scope, none at all, an expiry in the past, or a limit below 1.
    """
    text = TOKEN_START + secrets.token_urlsafe(_SECRET_BYTES)
    token = ApiToken(
        user=user,
        name=name,
        prefix=text[:_SHOWN],
        digest=_digest(text),
        scopes=_checked(scopes),
        expires_at=expires_at,
        requests_per_minute=requests_per_minute,
    )
    if expires_at is not None and expires_at <= timezone.now():
        raise InvalidInput("expires_at: must lie in the future")
    if not name.isprintable():
        raise InvalidInput("name: only printable characters are allowed")
    check_instance(token)
    try:
        with transaction.atomic():
            token.save(force_insert=True)
    except IntegrityError:
        raise InvalidInput(f"name: {user} already has a token called '{name}'") from None
    return token, text


def owner_of_new_token(user: User, username: str | None) -> User:
    """Return whose token `user` is about to make: `username`'s, or his own. Raises InvalidInput."""
    if username is None or username == user.username:
        return user
    if not user.is_superuser:
        raise InvalidInput("user: only a superuser may create tokens for others")
    try:
        return get_user(username)
    except InvalidInput as error:
        # Not "not found": the user is a part of what was given.
        raise InvalidInput(f"user: {error}") from None


def revoke_token(token: ApiToken) -> bool:
    """Make `token` void from now on. Returns False where it already was."""
    revoked = ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
    token.refresh_from_db(fields=["revoked_at"])
    return bool(revoked)


def authenticate_token(text: str) -> ApiToken | None:
    """Return the token (its `user` loaded) whose text this is; None where there is none, or it is void.

    Found by its digest, so how long the search takes tells nothing about the text.
    """
    if not _TOKEN.match(text):
        return None
    token = ApiToken.objects.select_related("user").filter(digest=_digest(text)).first()
    if token is None or not is_valid(token):
        return None
    _note_use(token)
    return token


def is_valid(token: ApiToken) -> bool:
    """Return whether `token` is neither revoked nor expired, and its user is active."""
    expired = token.expires_at is not None and token.expires_at <= timezone.now()
    return token.revoked_at is None and not expired and token.user.is_active


def token_state(token: ApiToken) -> TokenState:
    """Return "valid", "revoked" or "expired"; that of an inactive user counts as expired."""
    if token.revoked_at is not None:
        return "revoked"
    return "valid" if is_valid(token) else "expired"


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    stale = now - _LAST_USED_EVERY
    if token.last_used_at is not None and token.last_used_at > stale:
        return
    same = ApiToken.objects.filter(Q(last_used_at=None) | Q(last_used_at__lte=stale), pk=token.pk)
    try:
        with transaction.atomic():
            same.update(last_used_at=now)
    except OperationalError as error:
        # It is for people: a database that is busy for long fails no request for it.
        log.warning("token_use_not_noted", error=type(error).__name__)
    token.last_used_at = now


def _checked(scopes: Collection[str]) -> list[str]:
    unknown = sorted(set(scopes) - set(Scope.values))
    if unknown or not scopes:
        problem = f"there is no '{unknown[0]}'" if unknown else "at least one is needed"
        raise InvalidInput(f"scopes: {problem}; allowed: {', '.join(Scope.values)}")
    return [scope for scope in Scope.values if scope in scopes]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
