"""The environment that the other settings modules read, and the secrets that development makes for itself.

Nothing here raises on a wrong value: it is noted in `env.problems`, a default stands in for it, and the system checks
(arboretum/checks.py) say what is wrong before anything starts.
"""

import builtins
import contextlib
import ipaddress
import os
import re
import secrets
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

ENVIRONMENTS = ("development", "staging", "production")
_KINDS = {int: "a whole number", float: "a number", bool: "a truth value (1 or 0, true or false, yes or no)"}
_DATABASE_SCHEMES = ("postgresql", "postgres", "psql", "pgsql", "sqlite")
# Not what looks like an address: 10.0.0.1/8 is neither a network (its last bits are set) nor a name.
_HOST_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_TRUTH_VALUES = {*environ.Env.BOOLEAN_TRUE_STRINGS, "false", "off", "n", "no", "0"}


class CheckedEnv(environ.Env):  # type: ignore[misc]
    """Reads variables. An empty one counts as not set; a malformed one is noted, and its default taken."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []

    def get_value(
        self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, parse_default: bool = False
    ) -> Any:
        """Return the variable's value, or `default` where it is empty or no `cast`."""
        given = self.ENVIRON.get(var, "").strip()
        if not given and default is not self.NOTSET:
            return default
        try:
            if cast is bool and given.lower() not in _TRUTH_VALUES:
                raise ValueError
            return super().get_value(var, cast, default, parse_default)
        except ValueError:
            self.problems.append(f"{var} must be {_KINDS.get(cast, 'well formed')}.")
            return default

    def one_of(self, var: str, allowed: Collection[str], default: str) -> str:
        """Return the variable's value where it is among `allowed`, else `default`."""
        value: str = self.str(var, default=default)
        if value in allowed:
            return value
        self.problems.append(f"{var} must be one of: {', '.join(allowed)}.")
        return default

    def int(
        self,
        var: str,
        default: Any = environ.Env.NOTSET,
        *,
        least: builtins.int | None = None,
        most: builtins.int | None = None,
    ) -> Any:
        """Return the whole number that the variable holds, else `default`; noted where it is not in the range."""
        return self._in_range(var, super().int(var, default=default), default, least, most)

    def float(
        self,
        var: str,
        default: Any = environ.Env.NOTSET,
        *,
        least: builtins.float | None = None,
        most: builtins.float | None = None,
    ) -> Any:
        """Return the number that the variable holds, else `default`; noted where it is not in the range."""
        return self._in_range(var, super().float(var, default=default), default, least, most)

    def networks(self, var: str, default: Collection[str]) -> Collection[str]:
        """Return the IP addresses and networks that the variable lists, or "*" for all, else `default`.

        Its parts are separated by commas without blanks: the Procfile passes it on as one word.
        """
        given: str = self.str(var, default="")
        try:
            for part in given.split(",") if given not in ("", "*") else ():
                ipaddress.ip_network(part)
        except ValueError:
            self.problems.append(f"{var} must be IP addresses or networks, separated by commas without blanks, or *.")
            return default
        return given.split(",") if given else default

    def ports(self, var: str, default: Collection[builtins.int]) -> Collection[builtins.int]:
        """Return the ports that the variable lists, separated by commas, else `default`."""
        given: list[str] = self.list(var, default=[])
        ports = [int(part) for part in given if part.strip().isdecimal() and 1 <= int(part) <= 65535]
        if len(ports) != len(given):
            self.problems.append(f"{var} must be ports from 1 to 65535, separated by commas.")
            return default
        return ports or default

    def schemes(self, var: str, default: Collection[str]) -> Collection[str]:
        """Return which of the schemes `default` the variable lists, separated by commas; all where it is empty."""
        given = [part.strip() for part in self.list(var, default=[])]
        if set(given) <= set(default):
            return given or default
        self.problems.append(f"{var} must be one or more of: {', '.join(default)}.")
        return default

    def places(self, var: str) -> Collection[str]:
        """Return the networks, IP addresses and host names that the variable lists, separated by commas."""
        given = [part.strip() for part in self.list(var, default=[])]
        if all(_is_network(part) or _HOST_NAME.fullmatch(part) for part in given):
            return given
        self.problems.append(f"{var} must be networks, IP addresses and host names, separated by commas.")
        return []

    def database(self, url: str) -> dict[str, Any]:
        """Return Django's settings of the database at `url`; those of no database where it is malformed."""
        config: dict[str, Any] = {}
        # Looked at first: of another scheme django-environ prints a warning with the password in it.
        if url.partition("://")[0] in _DATABASE_SCHEMES:
            with contextlib.suppress(ValueError, KeyError, AttributeError, ImproperlyConfigured):
                config = self.db_url_config(url)
        if config.get("NAME") and "#" not in url:
            return config
        self.problems.append(
            "DATABASE_URL must be like postgresql://user:password@host:5432/name or sqlite:////path/file; "
            "special characters in the password are percent-encoded."
        )
        return {"ENGINE": "django.db.backends.dummy"}

    def _in_range(self, var: str, value: Any, default: Any, least: Any, most: Any) -> Any:
        if least is None or most is None or value == default or least <= value <= most:
            return value
        self.problems.append(f"{var} must be from {least} to {most}.")
        return default


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


BASE_DIR = Path(__file__).resolve().parent.parent.parent
env = CheckedEnv()
env.read_env(BASE_DIR / ".env")

ARBORETUM_ENV: str = env.str("ARBORETUM_ENV", default="development")
IS_PRODUCTION = ARBORETUM_ENV == "production"
DATA_DIR = Path(env.str("ARBORETUM_DATA_DIR", default=str(BASE_DIR / "var"))).expanduser().resolve()
# A file that cannot be made there is explained by the check of the data directory.
with contextlib.suppress(OSError):
    DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)


def kept_secret(name: str, make: Callable[[], str]) -> str:
    """Return the secret stored in the data directory under `name`, made by `make()` and written 0600 if it is new.

    Two processes that start at once agree: the file appears whole under its name, and the first one wins. Empty where
    the data directory cannot be written.
    """
    path = DATA_DIR / "secrets" / name
    with contextlib.suppress(OSError):
        if not path.exists():
            _write_once(path, make())
        return path.read_text().strip()
    return ""


def _write_once(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def secret_key() -> str:
    """Return `SECRET_KEY`; generated and kept outside production, where an empty one fails a check."""
    # Read as it is: django-environ would take one that begins with "$" for the name of another variable.
    given: str = env.ENVIRON.get("SECRET_KEY", "")
    return given or ("" if IS_PRODUCTION else kept_secret("secret_key", lambda: secrets.token_urlsafe(50)))


def encryption_keys() -> list[str]:
    """Return the Fernet keys, the first of which encrypts; one is generated and kept outside production."""
    given = [key.strip() for key in env.list("ARBORETUM_ENCRYPTION_KEYS", default=[]) if key.strip()]
    if given or IS_PRODUCTION:
        return given
    made = kept_secret("encryption_key", lambda: Fernet.generate_key().decode())
    return [made] if made else []


def trusted_origins(hosts: Collection[str]) -> list[str]:
    """Return the https addresses that pages of ours have under the names of `ALLOWED_HOSTS`.

    ".example.com" stands for the name and all below it, as it does there; "*" names no address, so it adds none.
    """
    origins = []
    for host in hosts:
        if host.startswith("."):
            origins += [f"https://{host[1:]}", f"https://*{host}"]
        elif host and host != "*":
            origins.append(f"https://{host}")
    return origins
