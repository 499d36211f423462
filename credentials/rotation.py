"""Rotation: after a new first encryption key, every stored provider key is encrypted anew with it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from . import encryption
from .models import Credential

_ROWS_AT_ONCE = 200


@dataclass(slots=True)
class Rotation:
    """What a rotation did: keys encrypted anew, those that were current already, names of the undecryptable."""

    rotated: int = 0
    current: int = 0
    failed: list[str] = field(default_factory=list)


def rotate_keys() -> Rotation:
    """Encrypt with the first encryption key what another one encrypted. May be repeated and interrupted.

    A row that no key opens is named and left as it is; the others go on. Raises ImproperlyConfigured.
    """
    first = encryption.current_key_id()
    done = Rotation()
    for credential in _with_key():
        if credential.key_id == first:
            done.current += 1
            continue
        try:
            key = credential.reveal_key()
        except encryption.DecryptionFailed:
            done.failed.append(credential.name)
            continue
        done.rotated += _replace(credential, key)
    return done


def _replace(credential: Credential, key: str) -> int:
    """Store `key` encrypted anew, unless the row has got another key since it was read."""
    stored, key_id = encryption.encrypt(key)
    same = Credential.objects.filter(pk=credential.pk, encrypted_key=credential.encrypted_key)
    return same.update(encrypted_key=stored, key_id=key_id)


def _with_key() -> Iterator[Credential]:
    """Yield every credential that has a key, a few at a time by primary key: no cursor stays open across writes."""
    last = 0
    while page := list(Credential.objects.exclude(key_id="").filter(pk__gt=last).order_by("pk")[:_ROWS_AT_ONCE]):
        yield from page
        last = page[-1].pk
