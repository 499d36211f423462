"""Puts together, from the deltas of a stream, what a server wants to be sent back with its message."""

from typing import Any

from agents.llm.tokens import utf8_size

from .answers import written

# Texts of an item that come in pieces; of all else the last value counts.
# https://openrouter.ai/docs/use-cases/reasoning-tokens
_PIECES = ("text", "summary", "data")


class _GrowingItem:
    """One item of a list, whose texts still come."""

    def __init__(self, begun: dict[str, Any]) -> None:
        self.values = dict(begun)
        self.texts: dict[str, list[str]] = {}
        self.take(begun)

    def takes(self, item: dict[str, Any]) -> bool:
        """Tell whether `item` goes on with this one: the same kind at the same place."""
        return "index" in item and all(self.values.get(name) == item.get(name) for name in ("index", "type"))

    def take(self, item: dict[str, Any]) -> None:
        # In its place: a copy for each piece would take time in the square of their number.
        self.values.update((name, value) for name, value in item.items() if value is not None)
        for name in _PIECES:
            if isinstance(item.get(name), str):
                self.texts.setdefault(name, []).append(item[name])

    def whole(self) -> dict[str, Any]:
        return {**self.values, **{name: "".join(pieces) for name, pieces in self.texts.items()}}


class GrowingReplay:
    """Fields of a message, as far as they have come: texts grow, lists of items grow item by item."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """Keep the fields `names`."""
        self._names = names
        self._texts: dict[str, list[str]] = {}
        self._items: dict[str, list[_GrowingItem]] = {}

    def add(self, delta: dict[str, Any]) -> int:
        """Take in what `delta` holds of the fields; return its size in bytes, about."""
        size = 0
        for name in self._names:
            value = delta.get(name)
            if isinstance(value, str) and value:
                self._texts.setdefault(name, []).append(value)
                size += utf8_size(value)
            elif isinstance(value, list):
                for item in value:
                    self._add_item(name, item)
                size += len(written(value))
        return size

    def fields(self) -> dict[str, Any]:
        """Return the fields put together."""
        texts = {name: "".join(pieces) for name, pieces in self._texts.items()}
        return texts | {name: [item.whole() for item in items] for name, items in self._items.items()}

    def _add_item(self, name: str, item: Any) -> None:
        items = self._items.setdefault(name, [])
        if not isinstance(item, dict):
            return
        if items and items[-1].takes(item):
            items[-1].take(item)
        else:
            items.append(_GrowingItem(item))
