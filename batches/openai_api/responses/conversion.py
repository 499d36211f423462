"""A request for a response as the chat that it stands for. No database: what came before is looked up by the caller."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workers.errors import InvalidInput

from .ids import item_name, run_id_of
from .items import Conversation, Item, MessageBody, input_items, item_type
from .parameters import chat_parameters
from .tools import chat_tools

# Where in the body that is kept something stands that cannot be stored.
_KEPT = re.compile(r"\Athe body at \$\.(?:chat|request)\.")
_PATH = re.compile(r"\A[\w.\[\]]+")
_MESSAGE = re.compile(r"messages\[(\d+)\]")
# How a chat's parameters are called in a request, longest first.
_NAMES = (
    ("response_format.json_schema", "text.format"),
    ("response_format", "text.format"),
    ("max_completion_tokens", "max_output_tokens"),
    ("reasoning_effort", "reasoning.effort"),
    ("verbosity", "text.verbosity"),
    ("messages", "input"),
)
_OF_TOOLS = re.compile(r"(tools\[\d+\])\.function")


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a request goes on from: the conversation up to the previous answer, and the items that it refers to."""

    messages: Sequence[MessageBody] = ()
    items: Mapping[str, Item] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Converted:
    """A chat, and of each of its messages the place in the request where it stands."""

    chat: dict[str, Any]
    places: Sequence[str]

    def in_words_of_request(self, error: InvalidInput) -> InvalidInput:
        """Return what is wrong with the chat as what is wrong with the request."""
        message = _KEPT.sub("", str(error), count=1)
        if found := _MESSAGE.match(message):
            place, rest = self.places[int(found[1])], message[found.end() :]
            # Only an item of the input has fields of its own.
            return InvalidInput(place + (rest if place.endswith("]") else _PATH.sub("", rest, count=1)))
        for name, other in _NAMES:
            if message.startswith(name):
                return InvalidInput(other + message.removeprefix(name))
        return InvalidInput(_OF_TOOLS.sub(r"\1", message, count=1))


def converted(request: Mapping[str, Any], earlier: Earlier = Earlier()) -> Converted:
    """Return the chat that stands for `request`. Raises InvalidInput that begins with the parameter that is wrong."""
    given = {name: value for name, value in request.items() if value is not None}
    parameters = {**chat_parameters(given), **chat_tools(given)}
    talk = Conversation(earlier.items)
    if instructions := given.get("instructions"):
        if not isinstance(instructions, str):
            raise InvalidInput("instructions must be a text")
        talk.say({"role": "system", "content": instructions}, "instructions")
    for message in earlier.messages:
        talk.say(message, "previous_response_id")
    for place, item in enumerate(input_items(given.get("input"))):
        talk.add(item, f"input[{place}]")
    return Converted({**parameters, "messages": talk.messages}, talk.places)


def runs_before(request: Mapping[str, Any]) -> tuple[int | None, set[int]]:
    """Return the run that `previous_response_id` names, and all runs to which items of the input refer.

    Raises InvalidInput where the name can be none.
    """
    name, previous = request.get("previous_response_id"), None
    if name is not None:
        previous = run_id_of(name)
        if previous is None:
            raise InvalidInput("previous_response_id must be the id of a response, resp_...")
    values = request.get("input")
    items = values if isinstance(values, list) else []
    named = [item_name(item.get("id")) for item in items if isinstance(item, dict) and is_reference(item)]
    return previous, {name.run_id for name in named if name is not None}


def is_reference(item: Item) -> bool:
    """Tell whether `item` only names another."""
    return bool(item_type(item) == "item_reference")


def stored_input(request: Mapping[str, Any], found: Converted) -> dict[str, Any]:
    """Return what a run keeps: the request as it was given, and the chat that the model is asked."""
    kept: dict[str, Any] = {"request": dict(request), "chat": found.chat}
    return {**kept, "stream": True} if request.get("stream") else kept
