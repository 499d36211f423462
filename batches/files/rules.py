"""What an upload may be: its purpose, its kind, and when it expires."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from batches.models import FilePurpose
from workers.errors import InvalidInput

NOT_JSONL = "Invalid file format for Batch API. Must be .jsonl"
SHORTEST_LIFE, LONGEST_LIFE = 3_600, 2_592_000  # seconds, as OpenAI's
BATCH_LIFE = LONGEST_LIFE
_ANCHOR, _SECONDS = "expires_after[anchor]", "expires_after[seconds]"
FIELDS = ("purpose", _ANCHOR, _SECONDS)


class MissingField(InvalidInput):
    """The form lacks a field; `name` says which."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is missing.")
        self.name = name


@dataclass(frozen=True)
class Terms:
    """What a form asks for its file."""

    purpose: FilePurpose
    seconds: int | None

    def expires_at(self, created_at: datetime) -> datetime | None:
        """Return when the file expires; None for never."""
        return created_at + timedelta(seconds=self.seconds) if self.seconds else None


def check_early(fields: Mapping[str, str], filename: str) -> None:
    """Raise InvalidInput where what came before the file refuses it; fields may still follow."""
    if "purpose" in fields:
        _require_kind(_purpose(fields), filename)


def terms_of(fields: Mapping[str, str], filename: str) -> Terms:
    """Return what the whole form asks. Raises InvalidInput that names the field, and MissingField."""
    unknown = [name for name in fields if name not in FIELDS]
    if unknown:
        raise InvalidInput(f"{unknown[0]} is no field of a file; allowed are file, {', '.join(FIELDS)}.")
    if "purpose" not in fields:
        raise MissingField("purpose")
    purpose = _purpose(fields)
    if not filename:
        raise InvalidInput("file must have a name.")
    _require_kind(purpose, filename)
    return Terms(purpose, _life(fields) or (BATCH_LIFE if purpose == FilePurpose.BATCH else None))


def _purpose(fields: Mapping[str, str]) -> FilePurpose:
    try:
        return FilePurpose(fields["purpose"])
    except ValueError:
        raise InvalidInput(f"purpose must be one of: {', '.join(FilePurpose.values)}.") from None


def _require_kind(purpose: FilePurpose, filename: str) -> None:
    if purpose == FilePurpose.BATCH and not filename.lower().endswith(".jsonl"):
        raise InvalidInput(NOT_JSONL)


def _life(fields: Mapping[str, str]) -> int | None:
    if _ANCHOR not in fields and _SECONDS not in fields:
        return None
    if fields.get(_ANCHOR) != "created_at":
        raise InvalidInput(f"{_ANCHOR} must be created_at.")
    text = fields.get(_SECONDS, "")
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if not SHORTEST_LIFE <= seconds <= LONGEST_LIFE:
        raise InvalidInput(f"{_SECONDS} must be a whole number from {SHORTEST_LIFE} to {LONGEST_LIFE}.")
    return seconds
