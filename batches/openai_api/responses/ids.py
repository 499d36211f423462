"""Names of responses and of the items in them: each says its run, so nothing else has to be stored."""

import re
from dataclasses import dataclass

_RESPONSE = re.compile(r"resp_([0-9]{1,16})\Z")
_ITEM = re.compile(r"(msg|fc|rs|in)_([0-9]{1,16})(?:_([0-9]{1,9}))?\Z")


@dataclass(frozen=True, slots=True)
class ItemName:
    """An item of a run: `msg` is its answer, `fc` a call by its place, `rs` its thoughts, `in` one of its input."""

    kind: str
    run_id: int
    place: int


def response_id(run_id: int) -> str:
    """Return the name of the response that a run is."""
    return f"resp_{run_id}"


def run_id_of(name: object) -> int | None:
    """Return the run that the response `name` is; None where `name` can be none."""
    found = _RESPONSE.match(name) if isinstance(name, str) else None
    return int(found[1]) if found else None


def item_id(kind: str, run_id: int, place: int | None = None) -> str:
    """Return the name of an item (see ItemName); an answer and thoughts have no place."""
    return f"{kind}_{run_id}" if place is None else f"{kind}_{run_id}_{place}"


def item_name(name: object) -> ItemName | None:
    """Return which item `name` means; None where it can be none of ours."""
    found = _ITEM.match(name) if isinstance(name, str) else None
    return ItemName(found[1], int(found[2]), int(found[3] or 0)) if found else None
