"""Downloads that are produced while they are sent."""

from collections.abc import Iterator

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header

from workers.iterating import in_thread


def download(request: HttpRequest, chunks: Iterator[bytes], filename: str, content_type: str) -> StreamingHttpResponse:
    """Return `chunks` as a file to keep, each sent as soon as it is there, in flat memory.

    Under ASGI the iterator runs in a thread of its own: Django would read a synchronous one whole before it sends.
    """
    content = in_thread(chunks) if isinstance(request, ASGIRequest) else chunks
    response = StreamingHttpResponse(content, content_type=content_type)
    response.headers["Content-Disposition"] = content_disposition_header(True, filename) or "attachment"
    response.headers["Cache-Control"] = "no-store"
    return response
