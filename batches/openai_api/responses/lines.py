"""Requests for responses as lines of a batch."""

from collections.abc import Callable, Mapping
from typing import Any

from workers.errors import InvalidInput

from .conversion import converted, is_reference, stored_input

# These need an answer before the batch has one, or somebody who listens.
_REFUSED = ("previous_response_id", "background", "stream")


def checked_line(request: Mapping[str, Any], check: Callable[[dict[str, Any]], str]) -> str:
    """Return what `check` returns for the body that a run keeps of a line to `/v1/responses`. No query.

    `check` is told that body and raises InvalidInput where its model cannot run it; that is told in the words of the
    request, as is what is wrong with the request itself: it begins with the parameter.
    """
    _refuse(request)
    found = converted(request)
    try:
        return check(stored_input(request, found))
    except InvalidInput as error:
        raise found.in_words_of_request(error) from None


def _refuse(request: Mapping[str, Any]) -> None:
    for name in _REFUSED:
        if request.get(name):
            raise InvalidInput(f"{name} is not supported in a batch")
    values = request.get("input")
    for place, item in enumerate(values if isinstance(values, list) else ()):
        if isinstance(item, dict) and is_reference(item):
            raise InvalidInput(f"input[{place}] must not be an item_reference in a batch")
