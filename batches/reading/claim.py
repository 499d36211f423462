"""Who reads the input of a batch: one process at a time, which shows all the while that it lives."""

import secrets
import time

from django.db.models import QuerySet
from django.db.models.functions import Now

from batches.execution.clock import now_plus
from batches.execution.leadership import lead
from batches.models import Batch, BatchQuerySet, Leadership
from batches.states import BatchState

# A reader that has died is followed by another after so long, and the time until maintenance looks.
CLAIM_SECONDS = 6.0
_RENEW_SECONDS = 1.5
_START = "read:"


class Stopped(Exception):
    """The reading is not to go on here: the batch was cancelled, its time is over, or another process reads it."""


class ReadingClaim:
    """The right to read a batch's input, a leadership (batches.models.lease) under a name of the batch's own."""

    def __init__(self, batch_id: int) -> None:
        """Claim nothing yet."""
        self._batch_id = batch_id
        self._name = f"{_START}{batch_id}"
        self._holder = secrets.token_hex(16)
        self._renewed = time.monotonic()

    def take(self) -> bool:
        """Take it, and return whether nobody else has it."""
        self._renewed = time.monotonic()
        return lead(self._holder, self._name, CLAIM_SECONDS)

    def hold(self) -> None:
        """Renew it; in a transaction nobody else can take it until that ends. Raises Stopped where it was lost."""
        self._renewed = time.monotonic()
        if not self._row().update(expires_at=now_plus(CLAIM_SECONDS)):
            raise Stopped

    def keep(self) -> None:
        """Renew it where it is time to; to be called often. Raises Stopped, also where the batch is not to be read."""
        if time.monotonic() - self._renewed > _RENEW_SECONDS:
            self.hold()
            if not unread(self._batch_id).update(updated_at=Now()):
                raise Stopped

    def release(self) -> None:
        """Give it up, if it still is this process'."""
        self._row().delete()

    def _row(self) -> QuerySet[Leadership]:
        return Leadership.objects.filter(name=self._name, holder=self._holder)


def unread(batch_id: int | None = None) -> BatchQuerySet:
    """Return the batches whose input is to be read from a file of requests; that of an id alone where one is given."""
    batches = Batch.objects.filter(state=BatchState.VALIDATING).exclude(endpoint="")
    return batches if batch_id is None else batches.filter(pk=batch_id)


def unclaimed() -> list[int]:
    """Return the batches whose input is to be read and that no living process reads, the oldest first."""
    names = Leadership.objects.filter(name__startswith=_START, expires_at__gt=Now()).values_list("name", flat=True)
    claimed = {int(name.removeprefix(_START)) for name in names}
    return [batch_id for batch_id in unread().order_by("pk").values_list("pk", flat=True) if batch_id not in claimed]
