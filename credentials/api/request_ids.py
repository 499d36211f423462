"""The id of a request: in every line of the log that it causes, and in its answer."""

import re
import uuid

from django.http import HttpRequest

HEADER = "X-Request-ID"
_GIVEN = re.compile(r"[\x20-\x7e]{1,128}")
_ID = "arboretum.request_id"


def request_id_of(request: HttpRequest) -> str:
    """Return the id that the caller gave, where it is 1 to 128 printable characters, else one made once."""
    found: str | None = request.META.get(_ID)
    if found is None:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        found = request.META[_ID] = given if _GIVEN.fullmatch(given) else f"req_{uuid.uuid4().hex}"
    return found
