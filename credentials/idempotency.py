"""Requests that are carried out once however often they are sent: who carries one out, and what was answered.

A row goes through three steps, each a statement that only one of several rivals can win:

1. `claim` inserts it, in a transaction of its own, so that others see at once that somebody is at work.
2. The work is done. `settle` stores the answer under the claim: in the same transaction as the work, where the work is
   of the database alone. So after a crash either both are there, and the next request gets the answer, or neither is.
3. Where the work failed, `release` deletes the row, and the next request begins anew. Who died deletes nothing: after
   RELEASED_AFTER without a `renew` another may take the row over. The claim of the first is void then, and `settle`
   refuses it, which undoes his transaction should he still live.
"""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from workers.errors import Conflict, InvalidInput

from .models import IdempotencyKey, IdempotencyKeyQuerySet, User

KEPT = timedelta(hours=24)
RELEASED_AFTER = timedelta(seconds=60)
# How long a client goes on to send the same request again by itself, at most.
RETRIES_WITHIN = timedelta(minutes=10)
LONGEST_BODY = 1024 * 1024
PRUNED_ROWS = 10_000
_CLAIM_TRIES = 3


class IdempotencyMismatch(InvalidInput):
    """The same key came with another request before."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A request with its key: who sent it, to which method and path, and the SHA-256 of its body in hex."""

    user: User
    key: str
    target: str
    digest: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to carry a request out: the row, and the claim that it must still hold."""

    row_id: int
    token: uuid.UUID


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered; `body` is None where it was too long to keep."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


def claim(marked: Marked) -> Claim | Answer:
    """Return the right to carry `marked` out, or the answer that it had.

    Raises IdempotencyMismatch where the key came with another request, Conflict where somebody carries it out now.
    """
    for _ in range(_CLAIM_TRIES):
        token = uuid.uuid4()
        row = _inserted_or_found(marked, token)
        if row is None:
            continue
        if row.claim == token or _takes_over_old(row, marked, token):
            return Claim(row.pk, token)
        if (row.target, row.digest) != (marked.target, marked.digest):
            raise IdempotencyMismatch("This Idempotency-Key came with another request before; take a new one.")
        if row.status is not None:
            return Answer(row.status, row.headers, None if row.body is None else bytes(row.body))
        if _takes_over_dead(row, token):
            return Claim(row.pk, token)
    raise Conflict("The request with this Idempotency-Key is being carried out. Send it again in a moment.")


def settle(claimed: Claim, answer: Answer) -> None:
    """Store `answer`. Raises Conflict where another has taken the request over: undo what was done for it."""
    body = answer.body if answer.body is not None and len(answer.body) <= LONGEST_BODY else None
    if not _held(claimed).update(status=answer.status, headers=answer.headers, body=body):
        raise Conflict("This took so long that the request was carried out anew; nothing was changed here.")


def renew(claimed: Claim) -> None:
    """Say that the request is still being carried out."""
    _held(claimed).update(claimed_at=Now())


def release(claimed: Claim) -> None:
    """Forget the request: the next one with its key is carried out."""
    _held(claimed).delete()


def latest_key(user: User, target: str, digest: str) -> str | None:
    """Return the key of the latest request like this within RETRIES_WITHIN; None where there was none."""
    same = IdempotencyKey.objects.filter(user=user, target=target, digest=digest)
    return same.filter(created_at__gt=Now() - RETRIES_WITHIN).order_by("-pk").values_list("key", flat=True).first()


def prune_idempotency_keys() -> int:
    """Delete keys older than KEPT, at most PRUNED_ROWS of them; return how many."""
    old = IdempotencyKey.objects.filter(created_at__lt=Now() - KEPT).order_by("created_at")
    ids = list(old.values_list("pk", flat=True)[:PRUNED_ROWS])
    return IdempotencyKey.objects.filter(pk__in=ids).delete()[0]


def _inserted_or_found(marked: Marked, token: uuid.UUID) -> IdempotencyKey | None:
    """Return the row of the key, new or old; None where it was deleted meanwhile."""
    new = IdempotencyKey(
        user=marked.user,
        key=marked.key,
        target=marked.target,
        digest=marked.digest,
        claim=token,
        claimed_at=Now(),
        created_at=Now(),
    )
    IdempotencyKey.objects.bulk_create([new], ignore_conflicts=True)
    return IdempotencyKey.objects.filter(user=marked.user, key=marked.key).first()


def _takes_over_old(row: IdempotencyKey, marked: Marked, token: uuid.UUID) -> bool:
    """Whether the row was due to be pruned, and is the new request's from now on."""
    old = IdempotencyKey.objects.filter(pk=row.pk, claim=row.claim, created_at__lt=Now() - KEPT)
    fresh: dict[str, Any] = {
        "target": marked.target,
        "digest": marked.digest,
        "status": None,
        "headers": {},
        "body": None,
    }
    return bool(old.update(claim=token, claimed_at=Now(), created_at=Now(), **fresh))


def _takes_over_dead(row: IdempotencyKey, token: uuid.UUID) -> bool:
    """Whether who carried the request out has fallen silent, and his claim is the new one's."""
    silent = IdempotencyKey.objects.filter(pk=row.pk, claim=row.claim, status=None)
    return bool(silent.filter(claimed_at__lt=Now() - RELEASED_AFTER).update(claim=token, claimed_at=Now()))


def _held(claimed: Claim) -> IdempotencyKeyQuerySet:
    return IdempotencyKey.objects.filter(pk=claimed.row_id, claim=claimed.token, status=None)
