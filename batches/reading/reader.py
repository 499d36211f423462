"""Reading the input of a batch of requests: from its file to rows that run, or to the list of its problems."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import structlog
from django.db import transaction
from django.db.models.functions import Now

from batches.endpoints import ENDPOINTS
from batches.files.storage import file_storage
from batches.ids import MAX_BATCH_ROWS
from batches.inputs.types import InputRow
from batches.inputs.unique import HashCounter, find_duplicates
from batches.models import Batch, EventType, Run
from batches.publishing import lease_messages_wanted, publish_leases
from batches.states import BatchState
from batches.webhooks.events import note_batch_event

from .checking import LineChecker, custom_id_of
from .claim import ReadingClaim, Stopped, unread
from .lines import LONGEST_LINE, Line, Place, split_lines
from .models import Models
from .problems import BadLine, Problem, ProblemCode, Problems
from .rows import RowWriter

log = structlog.get_logger(__name__)

# After so many lines, about a millisecond, other threads of the process get a turn: they run the models' calls.
LINES_AT_ONCE = 64
REST_SECONDS = 0.0002
_READ_IDS = 5_000
LONGEST_REASON = 500


class BatchReader:
    """Reads the input of one batch, from where an earlier reader came to."""

    def __init__(self, batch: Batch, claim: ReadingClaim, should_stop: Callable[[], bool]) -> None:
        """Read under `claim`, until `should_stop` says that this process ends."""
        self._batch = batch
        self._claim = claim
        self._should_stop = should_stop
        self._writer = RowWriter(batch, claim)
        self._problems = Problems()
        self._ids = HashCounter()
        endpoint = ENDPOINTS[batch.endpoint]
        self._checker = LineChecker(endpoint, Models(batch.owner, endpoint))

    def read(self) -> None:
        """Read to the end: the batch runs afterwards, or it has failed. Raises Stopped."""
        if self._writer.is_dropping:
            self._writer.drop()
        for custom_id in self._written_ids():
            self._ids.add(custom_id)
        place = self._writer.place
        try:
            for line in self._lines(place):
                self._take(line)
                place = line.after
            self._find_duplicates()
        except FileNotFoundError:
            self._fail(Problems.of_file(self._no_file()))
            return
        if self._problems:
            self._fail(self._problems)
        elif not self._writer.number:
            self._fail(Problems.of_file(Problem(ProblemCode.EMPTY_BATCH, "The input file has no lines.")))
        else:
            self._writer.write(place)
            self._start()

    def _take(self, line: Line) -> None:
        if line.raw is not None and (not line.raw or line.raw.isspace()):
            return
        try:
            if line.raw is None:
                raise BadLine(ProblemCode.INVALID_REQUEST, f"The line is longer than {LONGEST_LINE:,} bytes.")
            if self._writer.number >= MAX_BATCH_ROWS:
                raise BadLine(ProblemCode.TOO_MANY_TASKS, f"A batch has at most {MAX_BATCH_ROWS:,} lines.")
            request = self._checker.check(line.raw)
        except BadLine as bad:
            self._problems.add(line.number, bad)
            return
        self._ids.add(request.custom_id)
        # Nothing of a file with problems runs, so that its rows need not be written.
        if not self._problems:
            self._writer.add(request, line.after)

    def _lines(self, start: Place) -> Iterator[Line]:
        """Yield the lines from `start` on, at a pace that leaves other threads their turns."""
        file = self._batch.input_file
        if file is None or not file.storage_name:
            raise FileNotFoundError
        for number, line in enumerate(split_lines(file_storage().chunks(file.storage_name, start.offset), start)):
            # Lines may be long: each alone may take a good part of the time for which the claim holds.
            self._claim.keep()
            if number % LINES_AT_ONCE == 0:
                time.sleep(REST_SECONDS)
                if self._should_stop():
                    raise Stopped
            yield line

    def _find_duplicates(self) -> None:
        suspects = self._ids.suspects()
        if not suspects:
            return
        found = find_duplicates(self._named_lines(), suspects, MAX_BATCH_ROWS)
        self._problems.merge(
            Problem(
                ProblemCode.DUPLICATE_CUSTOM_ID,
                f"The custom_id {again.custom_id!r} is that of line {again.first_line} already.",
                "custom_id",
                again.line,
            )
            for again in found
        )

    def _named_lines(self) -> Iterable[InputRow]:
        """Yield the lines that are good by themselves with their custom_ids, read once more from the beginning."""
        for line in self._lines(Place()):
            custom_id = custom_id_of(line.raw)
            if custom_id is not None:
                yield InputRow(line.number, custom_id, {})

    def _written_ids(self) -> Iterator[str]:
        """Yield the custom_ids of the rows that are written, read in pieces: the claim is renewed between two.

        SQLite refuses to write on a connection whose unfinished question is older than what others have written.
        """
        last = 0
        while piece := list(self._rows_after(last)):
            self._claim.keep()
            yield from [custom_id or "" for _, custom_id in piece]
            last = piece[-1][0]

    def _rows_after(self, run_id: int) -> Iterable[tuple[int, str | None]]:
        rows = Run.objects.of_batch(self._batch.pk).filter(id__gt=run_id).order_by("id")
        return rows.values_list("id", "custom_id")[:_READ_IDS]

    def _no_file(self) -> Problem:
        message = f"No such File object: {self._batch.input_reference}"
        return Problem(ProblemCode.FILE_NOT_FOUND, message, "input_file_id")

    def _fail(self, problems: Problems) -> None:
        self._writer.drop()
        pk = self._batch.pk
        with transaction.atomic():
            told = {"problems": problems.as_list(), "state_reason": problems.reason()[:LONGEST_REASON]}
            self._end(state=BatchState.FAILED, finished_at=Now(), **told)
            note_batch_event(pk, EventType.BATCH_FAILED)
        log.info("batch_input_refused", batch_id=pk, problems=problems.number)

    def _start(self) -> None:
        with transaction.atomic():
            self._end(state=BatchState.RUNNING, started_at=Now())
            publish_leases(self._batch.pk, lease_messages_wanted(self._writer.number))
        log.info("batch_input_read", batch_id=self._batch.pk, rows=self._writer.number)

    def _end(self, **changes: Any) -> None:
        self._claim.hold()
        if not unread(self._batch.pk).update(reading=None, updated_at=Now(), **changes):
            raise Stopped
