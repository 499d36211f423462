"""The rows of a batch that is being read: written in chunks, each with the place in the file that it leads to."""

from django.db import transaction
from django.db.models.functions import Now

from batches.bulk_insert import NewRun, insert_runs
from batches.creating import CHUNK_CHARACTERS, CHUNK_ROWS
from batches.ids import batch_run_id
from batches.models import Batch, Run

from .checking import Request
from .claim import ReadingClaim, Stopped, unread
from .lines import Place


class RowWriter:
    """Writes the rows of one batch. What is written, `place` and the batch's count change together."""

    def __init__(self, batch: Batch, claim: ReadingClaim) -> None:
        """Go on behind what is written already."""
        self._batch = batch
        self._claim = claim
        self._chunk: list[NewRun] = []
        self._characters = 0
        self.written = batch.total
        self.place = Place(**batch.reading) if batch.reading else Place()

    @property
    def number(self) -> int:
        """How many rows there are, with those that are not written yet."""
        return self.written + len(self._chunk)

    def add(self, request: Request, place: Place) -> None:
        """Add a row; `place` is behind its line. Raises Stopped."""
        index = self.number
        run_id = batch_run_id(self._batch.pk, index)
        self._chunk.append((run_id, index, request.custom_id, request.input_json, request.version_id))
        self._characters += len(request.input_json)
        if len(self._chunk) == CHUNK_ROWS or self._characters >= CHUNK_CHARACTERS:
            self.write(place)

    def write(self, place: Place) -> None:
        """Write what was added, up to `place`. Raises Stopped."""
        if self._chunk:
            versions = {run[4] for run in self._chunk}
            first = self._batch.agent_version_id or self._chunk[0][4]
            is_mixed = self._batch.is_mixed or versions != {first}
            with transaction.atomic():
                self._claim.hold()
                insert_runs(self._batch, self._chunk)
                self._change(total=self.number, reading=place._asdict(), agent_version_id=first, is_mixed=is_mixed)
            self._batch.agent_version_id, self._batch.is_mixed = first, is_mixed
            self.written, self.place = self.number, place
            self._chunk, self._characters = [], 0

    def drop(self) -> None:
        """Forget all rows, so that who comes next begins anew, and delete them. Raises Stopped."""
        self._chunk, self._characters = [], 0
        written, self.written = self.written, 0
        self._change(total=0, reading=None, agent_version=None, is_mixed=False)
        delete_rows(self._batch.pk, 0, written, self._claim)

    def _change(self, **changes: object) -> None:
        if not unread(self._batch.pk).update(updated_at=Now(), **changes):
            raise Stopped


def delete_rows(batch_id: int, first: int, after: int, claim: ReadingClaim) -> None:
    """Delete the rows at the places from `first` to before `after`, a bounded number at a time. Raises Stopped."""
    for start in range(first, after, CHUNK_ROWS):
        claim.keep()
        low, high = batch_run_id(batch_id, start), batch_run_id(batch_id, min(start + CHUNK_ROWS, after) - 1)
        # Past the ORM, which would look for rows that refer to these; none does before one has run.
        Run.objects.filter(id__gte=low, id__lte=high)._raw_delete("default")
