"""Rotation: after a new first encryption key, everything that is stored encrypted is encrypted anew with it.

An app that stores secrets of its own says so by `also_encrypted`; its model has the column `key_id` beside them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db import models

from . import encryption
from .models import Credential

_ROWS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class EncryptedRow:
    """A row with something encrypted: what it is called, under which key, and how to read and replace it."""

    row: models.Model
    column: str

    @property
    def name(self) -> str:
        """What a person calls the row."""
        return str(self.row)

    @property
    def key_id(self) -> str:
        """The id of the key that it is encrypted with."""
        return str(getattr(self.row, "key_id"))  # noqa: B009 - no field of every model

    def reveal(self) -> str:
        """Return it in the clear. Raises DecryptionFailed."""
        return encryption.decrypt(bytes(getattr(self.row, self.column)))

    def replace(self, text: str) -> int:
        """Store `text` encrypted anew, unless the row has got another value since it was read; return whether."""
        stored, key_id = encryption.encrypt(text)
        same = {"pk": self.row.pk, self.column: getattr(self.row, self.column)}
        return type(self.row)._default_manager.filter(**same).update(**{self.column: stored, "key_id": key_id})


_columns: dict[type[models.Model], str] = {Credential: "encrypted_key"}


def also_encrypted(model: type[models.Model], column: str) -> None:
    """Have `column` of `model` rotated and looked at too."""
    _columns[model] = column


@dataclass(slots=True)
class Rotation:
    """What a rotation did: secrets encrypted anew, those that were current already, names of the undecryptable."""

    rotated: int = 0
    current: int = 0
    failed: list[str] = field(default_factory=list)


def rotate_keys() -> Rotation:
    """Encrypt with the first encryption key what another one encrypted. May be repeated and interrupted.

    A row that no key opens is named and left as it is; the others go on. Raises ImproperlyConfigured.
    """
    first = encryption.current_key_id()
    done = Rotation()
    for row in encrypted_rows():
        if row.key_id == first:
            done.current += 1
            continue
        try:
            text = row.reveal()
        except encryption.DecryptionFailed:
            done.failed.append(row.name)
            continue
        done.rotated += row.replace(text)
    return done


def encrypted_rows() -> Iterator[EncryptedRow]:
    """Yield every row that holds something encrypted, a few at a time: no cursor stays open across writes."""
    for model, column in _columns.items():
        last = 0
        rows = model._default_manager.exclude(key_id="").order_by("pk")
        while page := list(rows.filter(pk__gt=last)[:_ROWS_AT_ONCE]):
            yield from (EncryptedRow(row, column) for row in page)
            last = page[-1].pk
