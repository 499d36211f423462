"""The body of a request, read once for all who want it, and how long it may be."""

from django.conf import settings
from django.http import HttpRequest

from workers.errors import TooLarge

from .callers import Unauthenticated, names_a_token
from .threads import in_database

# Images within messages make bodies larger than forms, for which Django's own bound is meant.
LONGEST_BODY = 64 * 1024 * 1024
_BODY = "arboretum.body"


def body_of(request: HttpRequest) -> bytes:
    """Return the body of `request`, at most LONGEST_BODY bytes. Raises TooLarge.

    Who reads a body that is larger, such as a file that is sent, reads `request` itself and never comes here.
    """
    kept: bytes | None = request.META.get(_BODY)
    if kept is None:
        kept = request.META[_BODY] = request.body if hasattr(request, "_body") else _read(request)
    return kept


async def check_long_body(request: HttpRequest, size: int) -> int:
    """Return how many bytes a body may have of which `size` have come, too many to be kept in memory.

    Asked before more is kept on disk. Raises Unauthenticated where the request names no valid token, so that nobody
    else fills a disk, and TooLarge.
    """
    if not await in_database(names_a_token, request):
        raise Unauthenticated("A body of this length needs a valid API token, in the header Authorization.")
    is_form = request.content_type == "multipart/form-data"
    # The file of a form, with its other fields.
    longest = LONGEST_BODY + (settings.ARBORETUM_MAX_FILE_BYTES if is_form else 0)
    if size > longest:
        raise _too_large(longest)
    return longest


def _read(request: HttpRequest) -> bytes:
    body: bytes = request.read(LONGEST_BODY + 1)
    if len(body) > LONGEST_BODY:
        raise _too_large(LONGEST_BODY)
    return body


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"The body of the request may have {most} bytes at most.")
