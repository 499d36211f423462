"""What was said so far: the items of a request's input as messages of a chat."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workers.errors import InvalidInput

from .parts import chat_content

MessageBody = dict[str, Any]
Item = Mapping[str, Any]

_ALLOWED = "message, function_call, function_call_output, reasoning or item_reference"
_ROLES = ("user", "assistant", "system", "developer")


@dataclass(slots=True)
class Conversation:
    """Messages of a chat, and of each the place in the request where it stands, for errors.

    `known` are the items of earlier responses to which the input may refer, by their names.
    """

    known: Mapping[str, Item] = field(default_factory=dict)
    messages: list[MessageBody] = field(default_factory=list)
    places: list[str] = field(default_factory=list)

    def say(self, message: MessageBody, place: str) -> None:
        """Add a message."""
        self.messages.append(message)
        self.places.append(place)

    def add(self, item: Any, place: str) -> None:
        """Add an item of the input. Raises InvalidInput that begins with `place`."""
        if not isinstance(item, dict):
            raise InvalidInput(f"{place} must be an object of type {_ALLOWED}")
        match item_type(item):
            case "message":
                self._add_message(item, place)
            case "function_call":
                self._add_call(item, place)
            case "function_call_output":
                self._add_output(item, place)
            case "item_reference":
                self._add_referred(item, place)
            case "reasoning":
                # Thoughts belong to the model that had them; they are not told to it again.
                pass
            case _:
                raise InvalidInput(f"{place}.type must be {_ALLOWED}")

    def _add_message(self, item: Item, place: str) -> None:
        role = item.get("role")
        if role not in _ROLES:
            raise InvalidInput(f"{place}.role must be one of: {', '.join(_ROLES)}")
        self.say({"role": role, "content": chat_content(item.get("content"), f"{place}.content")}, place)

    def _add_call(self, item: Item, place: str) -> None:
        """Add a call of a tool to the message that it belongs to: a chat holds all calls of an answer in one."""
        names = ("call_id", "name", "arguments")
        call_id, name, arguments = (_text(item, key, place) for key in names)
        call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        if self.messages and self.messages[-1]["role"] == "assistant":
            last = self.messages[-1]
            self.messages[-1] = {**last, "tool_calls": [*last.get("tool_calls", ()), call]}
        else:
            self.say({"role": "assistant", "content": None, "tool_calls": [call]}, place)

    def _add_output(self, item: Item, place: str) -> None:
        content = chat_content(item.get("output"), f"{place}.output")
        if not isinstance(content, str):
            raise InvalidInput(f"{place}.output must be a text: images and files stand in messages of role user alone")
        self.say({"role": "tool", "tool_call_id": _text(item, "call_id", place), "content": content}, place)

    def _add_referred(self, item: Item, place: str) -> None:
        name = item.get("id")
        found = self.known.get(name) if isinstance(name, str) else None
        if found is None:
            raise InvalidInput(f"{place}.id must be the id of an item of a response that is kept")
        self.add(found, place)


def item_type(item: Item) -> Any:
    """Return the type of an item, which messages and references may leave out."""
    given = item.get("type")
    if given is None:
        return "message" if "role" in item else "item_reference" if "id" in item else None
    return given


def input_items(value: Any) -> list[Any]:
    """Return the items of `input`, which may be a text. Raises InvalidInput where it is neither."""
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}]
    if not isinstance(value, list) or not value:
        raise InvalidInput("input must be a text, or a list of at least one item")
    return value


def _text(item: Item, name: str, place: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise InvalidInput(f"{place}.{name} must be a text")
    return value
