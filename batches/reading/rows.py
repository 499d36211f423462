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

    @property
    def is_dropping(self) -> bool:
        """Whether an earlier reader has begun to drop the rows, and has not come to the end of it."""
        return self.written > 0 and self._batch.reading is None

    def drop(self) -> None:
        """Delete all rows, the last first, so that who comes next begins anew. Raises Stopped.

        The count goes with the rows: whatever happens meanwhile, a cancel or the end of this process, finds it true.
        """
        self._chunk, self._characters = [], 0
        self.place = Place()
        while self.written:
            start = max(0, self.written - CHUNK_ROWS)
            first, last = batch_run_id(self._batch.pk, start), batch_run_id(self._batch.pk, self.written - 1)
            versions = {} if start else {"agent_version": None, "is_mixed": False}
            with transaction.atomic():
                self._claim.hold()
                # Past the ORM, which would look for rows that refer to these; none does before one has run.
                Run.objects.filter(id__gte=first, id__lte=last)._raw_delete("default")
                self._change(total=start, reading=None, **versions)
            self.written = start

    def _change(self, **changes: object) -> None:
        if not unread(self._batch.pk).update(updated_at=Now(), **changes):
            raise Stopped
