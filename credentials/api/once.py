"""`Idempotency-Key`: a POST that is sent again is answered again, and nothing is done twice.

Only answers of success are kept, for 24 hours: what failed has changed nothing, so sent again it is tried again.
The key is the user's own, and goes with method, path and body; with another request it is refused.

Two ways, by where the work happens:

- `idempotent`, in a thread that may use the database: the answer is stored in the transaction that does the work.
  Whatever dies, and whenever, the work and its answer are both there or both not.
- `once`, on the event loop, around work that goes beyond the database (a call of a model). Who dies between the work
  and its answer leaves the key taken; a minute later the request may be carried out once more.

Ask for the caller's scopes first: a stored answer is given to whoever has the user's token.
"""

import asyncio
import hashlib
import re
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TypeVar

from django.db import DatabaseError, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from credentials.idempotency import RELEASED_AFTER, Answer, Claim, Marked, claim, latest_key, release, renew, settle
from workers.errors import Conflict, InvalidInput

from .bodies import body_of
from .callers import Caller
from .threads import in_database

R = TypeVar("R", bound=HttpResponseBase)

REPLAYED = "Idempotent-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_SLOT = "arboretum.idempotency_slot"
_KEPT_HEADERS = ("content-type", "location", "x-arboretum-run")


class ShownOnce(HttpResponse):
    """An answer that shows what may be shown but once; a request that is sent again gets `kept` in its place."""

    def __init__(self, answer: HttpResponse, kept: HttpResponse) -> None:
        """Take both; the answer's status and headers are those of `answer`."""
        super().__init__(answer.content, status=answer.status_code, headers=dict(answer.headers))
        self.kept = kept


class Slot:
    """Where the answer of one request goes. `stored` is the answer that it had already, None where it had none."""

    def __init__(self, stored: HttpResponse | None = None, held: Claim | None = None) -> None:
        """Begin with an answer that is there already, or with none and the claim under which one is stored."""
        self.stored = stored
        self.answer: Answer | None = None
        self._held = held
        self.is_settled = False

    def keep(self, response: R) -> R:
        """Return `response`, which is stored where it is one of success, and not a stream."""
        self.answer = _answer_of(response)
        return response

    def settle(self, response: HttpResponse) -> None:
        """Store `response` now, in the transaction that is open: for work that has one of its own at its end.

        What is kept later is not stored any more. Raises Conflict where another has taken the request over: the
        transaction has to be undone.
        """
        answer = _answer_of(response)
        if self._held is not None and answer is not None:
            settle(self._held, answer)
            self.is_settled = True


@contextmanager
def idempotent(
    request: HttpRequest,
    caller: Caller,
    *,
    digest: str | None = None,
    in_transaction: bool = True,
    knows_retries: bool = False,
) -> Iterator[Slot]:
    """Carry the block out once for the request's key, in one transaction with the storing of its answer:

        with idempotent(request, caller) as slot:
            if slot.stored is not None:
                return slot.stored
            batch = ...
            return slot.keep(JsonResponse(...))

    Without a key the block simply runs in its transaction. `digest` is the SHA-256 (hex) of the body where the view has
    read it as a stream. Without `in_transaction` none is opened around the block, which then may call others and take
    long: the claim is renewed meanwhile. With `knows_retries` a request without a key, of which OpenAI's client says
    that it sends it again (`x-stainless-retry-count`), goes with the latest like it of the last ten minutes.

    Raises InvalidInput for a malformed key, IdempotencyMismatch, and Conflict while the first is being carried out.
    """
    marked = _marked(request, caller, digest, knows_retries)
    held = None if marked is None else claim(marked)
    if isinstance(held, Answer):
        yield Slot(_replay(held))
        return
    slot = Slot(held=held)
    with _released_on_failure(held), transaction.atomic() if in_transaction else _renewed_beside(held):
        yield slot
        if held is not None and slot.answer is not None and not slot.is_settled:
            settle(held, slot.answer)
    if held is not None and slot.answer is None and not slot.is_settled:
        release(held)


def slot_of(request: HttpRequest) -> Slot:
    """Return where the answer of a request goes that is carried out once; one without a claim where it has no key."""
    return request.META.get(_SLOT) or Slot()


def put_slot(request: HttpRequest, slot: Slot) -> None:
    """Let `slot_of` find the slot of `request`."""
    request.META[_SLOT] = slot


async def once(
    request: HttpRequest, caller: Caller, handle: Callable[[], Awaitable[R]], *, digest: str | None = None
) -> R | HttpResponse:
    """Return what `handle` answers, or for a key that has been answered, that answer again.

    `digest` and the errors are those of `idempotent`. The claim is renewed for as long as `handle` takes.
    """
    marked = await in_database(_marked, request, caller, digest, False)
    if marked is None:
        return await handle()
    held = await in_database(claim, marked)
    if isinstance(held, Answer):
        return _replay(held)
    async with _renewed(held):
        try:
            response = await handle()
        except BaseException:
            await in_database(release, held)
            raise
        await in_database(_end, held, _answer_of(response))
    return response


def refuse_key(request: HttpRequest) -> None:
    """Raise InvalidInput where a request has a key and its answer is a stream, which is not kept."""
    if "HTTP_IDEMPOTENCY_KEY" in request.META:
        raise InvalidInput("Idempotency-Key cannot go with an answer that is streamed: leave one of the two out.")


def _marked(request: HttpRequest, caller: Caller, digest: str | None, knows_retries: bool) -> Marked | None:
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None and not knows_retries:
        return None
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidInput("Idempotency-Key must be 1 to 255 visible ASCII characters.")
    target = f"{request.method} {request.get_full_path()}"
    digest = digest or _digest(request)
    if key is None:
        again = request.META.get("HTTP_X_STAINLESS_RETRY_COUNT", "0") != "0"
        key = (latest_key(caller.user, target, digest) if again else None) or f"unnamed-{uuid.uuid4().hex}"
    return Marked(caller.user, key, target, digest)


def _digest(request: HttpRequest) -> str:
    if request.content_type != "multipart/form-data":
        return hashlib.sha256(body_of(request)).hexdigest()
    # The boundary is drawn anew each time that the form is sent.
    found = hashlib.sha256(repr(sorted(request.POST.lists())).encode())
    for name in sorted(request.FILES):
        for file in request.FILES.getlist(name):
            found.update(f"{name}\0{file.name}\0".encode())
            for chunk in file.chunks():
                found.update(chunk)
            file.seek(0)
    return found.hexdigest()


def _answer_of(response: HttpResponseBase) -> Answer | None:
    if not isinstance(response, HttpResponse) or not 200 <= response.status_code < 300:
        return None
    response = response.kept if isinstance(response, ShownOnce) else response
    headers = {name: value for name, value in response.headers.items() if name.lower() in _KEPT_HEADERS}
    return Answer(response.status_code, headers, response.content)


def _replay(answer: Answer) -> HttpResponse:
    if answer.body is None:
        raise Conflict("The request with this Idempotency-Key was carried out; its answer was too long to keep.")
    return HttpResponse(answer.body, status=answer.status, headers={**answer.headers, REPLAYED: "true"})


def _end(held: Claim, answer: Answer | None) -> None:
    """Store the answer of work that is done and stays done, whoever took the key over meanwhile."""
    if answer is None:
        release(held)
        return
    with suppress(Conflict):
        settle(held, answer)


@contextmanager
def _released_on_failure(held: Claim | None) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if held is not None:
            release(held)
        raise


@contextmanager
def _renewed_beside(held: Claim | None) -> Iterator[None]:
    """Renew a claim from a thread beside the block, which begins only where the block takes long."""
    done, every = threading.Event(), RELEASED_AFTER.total_seconds() / 3

    def renew_until_done(held: Claim) -> None:
        try:
            while not done.is_set():
                # A database that is away for a moment does not end the work either.
                with suppress(DatabaseError):
                    renew(held)
                done.wait(every)
        finally:
            connections.close_all()

    starting = threading.Timer(every, renew_until_done, [held])
    starting.daemon = True
    if held is not None:
        starting.start()
    try:
        yield
    finally:
        done.set()
        starting.cancel()


@asynccontextmanager
async def _renewed(held: Claim) -> AsyncIterator[None]:
    renewing = asyncio.create_task(_renew(held))
    try:
        yield
    finally:
        renewing.cancel()


async def _renew(held: Claim) -> None:
    while True:
        await asyncio.sleep(RELEASED_AFTER.total_seconds() / 3)
        # A database that is away for a moment does not end the work, so it must not end this either.
        with suppress(DatabaseError):
            await in_database(renew, held)
