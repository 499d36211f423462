"""Pages of lists by key: as quick at the end as at the beginning, and nothing is shown twice or left out.

The cursor holds the last keys of a page, so it points between two rows, whatever is inserted or deleted meanwhile.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core import signing
from django.db.models import Model, Q, QuerySet
from pydantic import Field

from workers.errors import InvalidInput

from .schemas import Given, Shown

M = TypeVar("M", bound=Model)
T = TypeVar("T")

LARGEST_PAGE = 100
_SALT = "arboretum.api.cursor"


class PageRequest(Given):
    """What any list takes."""

    limit: int = Field(20, ge=1, le=LARGEST_PAGE, description="How many to show at most.", examples=[20])
    cursor: str | None = Field(
        None, max_length=2000, description="`next` of the page before; the other parameters stay as they were."
    )


class Page(Shown, Generic[T]):
    """Part of a list."""

    data: list[T] = Field(description="In the order that was asked for.")
    next: str | None = Field(description="The cursor of the next page; null at the end.", examples=[None])


@dataclass(frozen=True, slots=True)
class Sorting:
    """What a list may be sorted by: names for callers, and the columns that they stand for, which are never null.

    `key` is the unique column that decides between equals. A name with `-` before it sorts downwards.
    """

    columns: Mapping[str, str]
    key: str = "id"

    @property
    def allowed(self) -> list[str]:
        """Every value of the parameter `sort`."""
        return [sign + name for name in self.columns for sign in ("", "-")]

    def order(self, sort: str) -> list[str]:
        """Return the columns to order by, `-` before those that fall. Raises InvalidInput."""
        name = sort.removeprefix("-")
        if name not in self.columns:
            raise InvalidInput(f"sort: there is no '{sort[:100]}'; allowed: {', '.join(self.allowed)}")
        sign = "-" if sort.startswith("-") else ""
        return list(dict.fromkeys([sign + self.columns[name], sign + self.key]))


def page_of(
    rows: QuerySet[M], asked: PageRequest, order: Sequence[str], show: Callable[[M], T], *, kind: str
) -> Page[T]:
    """Return the page of `rows` that was asked for, by `order` (all of it falls, or all of it rises).

    `kind` names the list and its sorting: a cursor of another one is refused. Raises InvalidInput.
    """
    columns = [name.removeprefix("-") for name in order]
    comparison = "lt" if order[0].startswith("-") else "gt"
    if asked.cursor is not None:
        rows = rows.filter(_beyond(columns, comparison, _read(asked.cursor, kind, order)))
    found = list(rows.order_by(*order)[: asked.limit + 1])
    shown = found[: asked.limit]
    more = len(found) > asked.limit
    return Page(data=[show(row) for row in shown], next=_cursor(shown[-1], columns, kind, order) if more else None)


def _beyond(columns: Sequence[str], comparison: str, keys: Sequence[Any]) -> Q:
    """Return what comes after `keys`: (a, b) > (1, 2) is a > 1 or (a = 1 and b > 2)."""
    condition = Q()
    for place, column in enumerate(columns):
        same = dict(zip(columns[:place], keys[:place], strict=True))
        condition |= Q(**same, **{f"{column}__{comparison}": keys[place]})
    # Redundant, but a range of the index's first column; planners find none in an OR.
    return Q(**{f"{columns[0]}__{comparison}e": keys[0]}) & condition


def _cursor(row: Model, columns: Sequence[str], kind: str, order: Sequence[str]) -> str:
    keys = [_plain(getattr(row, column)) for column in columns]
    return signing.dumps([kind, *order, *keys], salt=_SALT, compress=False)


def _read(cursor: str, kind: str, order: Sequence[str]) -> list[Any]:
    try:
        value = signing.loads(cursor, salt=_SALT)
    except signing.BadSignature:
        value = None
    head = [kind, *order]
    if not isinstance(value, list) or value[: len(head)] != head:
        raise InvalidInput("cursor: is not one that this list gave, sorted as it is now")
    return value[len(head) :]


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | str) else str(value)
