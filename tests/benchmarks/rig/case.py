"""A case: what one benchmark or fault is called, where its code is, and how large and how long it may be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DATABASES = ("sqlite", "postgresql")


@dataclass(frozen=True, slots=True)
class Case:
    """The function `run(rig, size, **options)` of `module`, which yields lines of the table.

    `seconds` is the time after which it is given up; `long` cases run only when asked for; `databases` are those on
    which it makes sense.
    """

    name: str
    module: str
    about: str
    rows: int
    seconds: int
    repeats: int = 1
    long: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    databases: Sequence[str] = DATABASES


@dataclass(frozen=True, slots=True)
class Size:
    """How much a case does: rows a batch (or runs), and how often it repeats."""

    rows: int
    repeats: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case on one database; `error` says why it did not get to its end."""

    case: Case
    database: str
    lines: Sequence[Any]
    seconds: float
    error: str | None = None
