"""The items of a request's input as a list.

https://platform.openai.com/docs/api-reference/responses/input-items
"""

from collections.abc import Mapping, Sequence
from typing import Any

from workers.errors import InvalidInput

from .ids import item_id
from .items import input_items, item_type
from .output import COMPLETED, text_part

USUAL_LIMIT = 20
MOST_LISTED = 100


def listed_items(run_id: int, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the items that `request` has given, in its order, each with a name of its own and texts as parts."""
    return [_listed(item, item_id("in", run_id, place)) for place, item in enumerate(input_items(request.get("input")))]


def page_of(items: Sequence[Mapping[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    """Return the page of `items` that `limit`, `order` (the newest first) and `after` ask for. Raises InvalidInput."""
    order, limit, after = query.get("order", "desc"), _limit(query.get("limit")), query.get("after")
    if order not in ("asc", "desc"):
        raise InvalidInput("order must be asc or desc")
    ordered = list(items) if order == "asc" else list(reversed(items))
    if after:
        places = [place for place, item in enumerate(ordered) if item["id"] == after]
        if not places:
            raise InvalidInput("after must be the id of an item of this response")
        ordered = ordered[places[0] + 1 :]
    data = ordered[:limit]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": len(ordered) > limit}


def _listed(item: Mapping[str, Any], name: str) -> dict[str, Any]:
    listed = {**item, "id": item["id"] if item_type(item) == "item_reference" else name, "type": item_type(item)}
    if listed["type"] == "message":
        listed["status"] = COMPLETED
        if isinstance(item["content"], str):
            text = item["content"]
            listed["content"] = [
                text_part(text) if item["role"] == "assistant" else {"type": "input_text", "text": text}
            ]
    elif listed["type"] in ("function_call", "function_call_output"):
        listed["status"] = COMPLETED
    return listed


def _limit(given: str | None) -> int:
    number = USUAL_LIMIT if given is None else int(given) if given.isascii() and given.isdigit() else 0
    if not 1 <= number <= MOST_LISTED:
        raise InvalidInput(f"limit must be a whole number from 1 to {MOST_LISTED}")
    return number
