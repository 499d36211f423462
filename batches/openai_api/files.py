"""`/v1/files` after https://platform.openai.com/docs/api-reference/files: upload, list, retrieve, read and delete."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from weakref import WeakValueDictionary

from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.http import content_disposition_header

from batches.files.listing import list_files
from batches.files.receiving import Upload
from batches.files.rules import MissingField
from batches.files.selectors import FileObject, NoSuchFile, StoredFile, find_file
from batches.files.services import received, record_file
from batches.files.storage import CHUNK_BYTES, NoSpace
from credentials.api.callers import Caller
from credentials.api.once import idempotent
from credentials.api.threads import in_database
from workers.iterating import from_loop, in_thread
from workers.streamed_body import BodyLost, streamed_body

from .access import json_response, needs, serve
from .errors import ApiError, BadRequest, missing_parameter

MOST_LISTED = 10_000
# Each upload has a thread to itself until its file is on disk. More of them at once wait, unread.
UPLOADS_AT_ONCE = 32
_uploading = ThreadPoolExecutor(UPLOADS_AT_ONCE, thread_name_prefix="upload")
# And so many of one user: who sends slowly, or not at all, keeps nobody else waiting.
UPLOADS_OF_ONE_USER = 8
_places: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()


@needs("batches:write")
async def create(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Keep an uploaded file, read while it comes, and answer with its object."""
    body = streamed_body(request)
    pieces = from_loop(lambda: body.read(CHUNK_BYTES)) if body else iter(lambda: request.read(CHUNK_BYTES), b"")
    size = int(request.META.get("CONTENT_LENGTH") or 0)
    has_key = "HTTP_IDEMPOTENCY_KEY" in request.META
    kind: str = request.META.get("CONTENT_TYPE", "")
    store = partial(_store, request, caller, received(pieces, kind, size, with_digest=has_key))
    async with _places.setdefault(caller.user.pk, asyncio.Semaphore(UPLOADS_OF_ONE_USER)):
        return await asyncio.get_running_loop().run_in_executor(_uploading, store)


@needs("batches:read")
def list_all(request: HttpRequest, caller: Caller) -> HttpResponse:
    """Answer with a page of files."""
    order = request.GET.get("order", "desc")
    if order not in ("asc", "desc"):
        raise BadRequest("order must be asc or desc.", "order")
    found, has_more = list_files(
        caller.user,
        purpose=request.GET.get("purpose", ""),
        after=request.GET.get("after", ""),
        oldest_first=order == "asc",
        limit=_limit(request.GET.get("limit", str(MOST_LISTED))),
    )
    data = [file.as_json() for file in found]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return json_response({"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": has_more})


@needs("batches:read")
def retrieve(request: HttpRequest, caller: Caller, file_id: str) -> HttpResponse:
    """Answer with a file's object."""
    return json_response(_found(caller, file_id).as_json())


@needs("batches:write")
def delete(request: HttpRequest, caller: Caller, file_id: str) -> HttpResponse:
    """Delete a file."""
    _found(caller, file_id).delete()
    return json_response({"id": file_id, "object": "file", "deleted": True})


@needs("batches:read")
async def content(request: HttpRequest, caller: Caller, file_id: str) -> StreamingHttpResponse:
    """Answer with a file's bytes."""
    file, chunks = await in_database(_opened, caller, file_id)
    # Without a server that takes chunks as they come, the iterator is read as it is.
    streamed = in_thread(chunks) if isinstance(request, ASGIRequest) else chunks
    response = StreamingHttpResponse(streamed, content_type="application/octet-stream")
    response.headers["Content-Disposition"] = content_disposition_header(True, file.filename) or "attachment"
    if file.size is not None:
        response.headers["Content-Length"] = str(file.size)
    return response


files = serve(GET=list_all, POST=create)
file = serve(GET=retrieve, DELETE=delete)
file_content = serve(GET=content)


def _store(request: HttpRequest, caller: Caller, receiving: AbstractContextManager[Upload]) -> HttpResponse:
    try:
        with receiving as upload, idempotent(request, caller, digest=upload.digest) as slot:
            # What came again is not recorded again, so its bytes go.
            return slot.stored or slot.keep(json_response(StoredFile(record_file(caller.user, upload)).as_json()))
    except MissingField as error:
        raise missing_parameter(error.name) from None
    except BodyLost as error:
        raise BadRequest(str(error), code="incomplete_body") from None
    except NoSpace as error:
        # Sent again it would be refused again, after as many bytes.
        raise ApiError(507, str(error), code="no_space", headers={"x-should-retry": "false"}) from None
    finally:
        connections.close_all()


def _found(caller: Caller, file_id: str) -> FileObject:
    try:
        return find_file(caller.user, file_id)
    except NoSuchFile as error:
        raise ApiError(404, str(error), param="id") from None


def _opened(caller: Caller, file_id: str) -> tuple[FileObject, Iterator[bytes]]:
    """Return a file and its content, begun: what is gone is told before the answer has begun."""
    found = _found(caller, file_id)
    chunks = found.open_chunks()
    try:
        first = next(chunks, b"")
    except FileNotFoundError:
        raise ApiError(404, f"No such File object: {file_id}", param="id") from None
    return found, _continued(first, chunks)


def _continued(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _limit(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not 1 <= number <= MOST_LISTED:
        raise BadRequest(f"limit must be from 1 to {MOST_LISTED}.", "limit")
    return number
