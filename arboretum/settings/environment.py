"""The environment that the other settings modules read, and the secrets that development makes for itself."""

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path

import environ
from cryptography.fernet import Fernet

BASE_DIR = Path(__file__).resolve().parent.parent.parent
env = environ.Env()
env.read_env(BASE_DIR / ".env")

ENVIRONMENTS = ("development", "staging", "production")
ARBORETUM_ENV: str = env.str("ARBORETUM_ENV", default="development")
IS_PRODUCTION = ARBORETUM_ENV == "production"
DATA_DIR = Path(env.str("ARBORETUM_DATA_DIR", default=str(BASE_DIR / "var"))).expanduser().resolve()


def kept_secret(name: str, make: Callable[[], str]) -> str:
    """Return the secret stored in the data directory under `name`, made by `make()` and written 0600 if it is new.

    Two processes that start at once agree: the file appears whole under its name, and the first one wins.
    """
    path = DATA_DIR / "secrets" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(make())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text().strip()


def secret_key() -> str:
    """Return `SECRET_KEY`; generated and kept outside production, where an empty one fails a check."""
    given: str = env.str("SECRET_KEY", default="")
    return given or ("" if IS_PRODUCTION else kept_secret("secret_key", lambda: secrets.token_urlsafe(50)))


def encryption_keys() -> list[str]:
    """Return the Fernet keys, the first of which encrypts; one is generated and kept outside production."""
    given: list[str] = [key for key in env.list("ARBORETUM_ENCRYPTION_KEYS", default=[]) if key]
    if given or IS_PRODUCTION:
        return given
    return [kept_secret("encryption_key", lambda: Fernet.generate_key().decode())]
