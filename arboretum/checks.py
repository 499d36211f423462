"""System checks: a broken configuration is explained before anything starts.

They run before every management command, and at the start of the web process and of each worker
(`stop_if_misconfigured`).
"""

import os
import sys
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, SystemCheckError

# The checks of what a deployment sets; `credentials` has some of them too.
CONFIGURATION = "configuration"

# Django's own rule for a strong key (security.W009): 50 characters, 5 of them different, no generated default.
_SHORTEST_SECRET, _FEWEST_CHARACTERS, _GENERATED = 50, 5, "django-insecure-"
_HOW_TO_MAKE_ONE = 'Make one with: python -c "import secrets; print(secrets.token_urlsafe(50))"'
_REDIS_EXAMPLES = "redis://host:6379/0, rediss://:password@host:6379/0 or unix:///path/redis.sock"


def stop_if_misconfigured() -> None:
    """Check the configuration; print what is wrong on standard error and exit with 1 where it is an error."""
    try:
        BaseCommand(no_color=not sys.stderr.isatty()).check(tags=[CONFIGURATION])
    except SystemCheckError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


@register(CONFIGURATION)
def environment_is_known(**kwargs: Any) -> list[CheckMessage]:
    """`ARBORETUM_ENV` is one of the three environments."""
    if settings.ARBORETUM_ENV in settings.ARBORETUM_ENVIRONMENTS:
        return []
    allowed = ", ".join(settings.ARBORETUM_ENVIRONMENTS)
    return [
        Error(
            f"ARBORETUM_ENV is '{settings.ARBORETUM_ENV}'.", hint=f"Set it to one of: {allowed}.", id="arboretum.E001"
        )
    ]


@register(CONFIGURATION)
def secret_key_is_strong(**kwargs: Any) -> list[CheckMessage]:
    """There is a SECRET_KEY; in production it is long and no default."""
    key = _secret_key()
    if not key:
        return [Error("SECRET_KEY is not set.", hint=_HOW_TO_MAKE_ONE, id="arboretum.E002")]
    weak = len(key) < _SHORTEST_SECRET or len(set(key)) < _FEWEST_CHARACTERS or key.startswith(_GENERATED)
    if not _in_production() or not weak:
        return []
    problem = f"SECRET_KEY is a default or too weak: production needs {_SHORTEST_SECRET} random characters."
    return [Error(problem, hint=_HOW_TO_MAKE_ONE, id="arboretum.E003")]


@register(CONFIGURATION)
def debug_is_off(**kwargs: Any) -> list[CheckMessage]:
    """Production shows no tracebacks with their variables to visitors."""
    if not (_in_production() and settings.DEBUG):
        return []
    return [Error("DEBUG is on in production.", hint="Unset DEBUG, or set it to 0.", id="arboretum.E004")]


@register(CONFIGURATION)
def hosts_are_named(**kwargs: Any) -> list[CheckMessage]:
    """Production answers to its own names alone, so that nobody forges the addresses it sends out."""
    hint = "Set ALLOWED_HOSTS to the names it is reached by, separated by commas: arboretum.example.com"
    if not _in_production():
        return []
    if not any(settings.ALLOWED_HOSTS):
        return [Error("ALLOWED_HOSTS is not set.", hint=hint, id="arboretum.E005")]
    if "*" in settings.ALLOWED_HOSTS:
        return [Warning("ALLOWED_HOSTS allows every name.", hint=hint, id="arboretum.W001")]
    return []


@register(CONFIGURATION)
def data_directory_is_writable(**kwargs: Any) -> list[CheckMessage]:
    """The data directory can be written: secrets, SQLite, sockets and results lie there."""
    folder = settings.ARBORETUM_DATA_DIR
    if os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):
        return []
    return [
        Error(
            f"The data directory {folder} cannot be made or written.",
            hint="Set ARBORETUM_DATA_DIR to a folder that this user may write.",
            id="arboretum.E006",
        )
    ]


@register(CONFIGURATION)
def variables_are_well_formed(**kwargs: Any) -> list[CheckMessage]:
    """What the settings noted about variables of the environment."""
    from .settings.environment import env

    return [Error(problem, hint="See docs/configuration.md.", id="arboretum.E007") for problem in env.problems]


@register(CONFIGURATION)
def redis_url_is_well_formed(**kwargs: Any) -> list[CheckMessage]:
    """`REDIS_URL` is an address that both Celery and the Redis client understand."""
    if _is_redis_url(settings.REDIS_URL):
        return []
    return [
        Error("REDIS_URL is malformed.", hint=f"It must be like {_REDIS_EXAMPLES}; or unset it.", id="arboretum.E008")
    ]


def _is_redis_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme == "unix":
        return parts.path.startswith("/") and len(parts.path) > 1
    return parts.scheme in ("redis", "rediss") and bool(parts.hostname) and port != 0


def _in_production() -> bool:
    return bool(settings.ARBORETUM_ENV == "production")


def _secret_key() -> str:
    try:
        return str(settings.SECRET_KEY)
    except ImproperlyConfigured:
        return ""
