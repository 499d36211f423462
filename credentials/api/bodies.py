"""The body of a request, read once for all who want it."""

from django.http import HttpRequest

from workers.errors import TooLarge

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


def _read(request: HttpRequest) -> bytes:
    body: bytes = request.read(LONGEST_BODY + 1)
    if len(body) > LONGEST_BODY:
        raise TooLarge(f"The body of the request may have {LONGEST_BODY} bytes at most.")
    return body
