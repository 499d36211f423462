"""`BatchResults`: everything that is read from a batch, over SQLAlchemy Core."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import func, select

from batches.models import Batch
from batches.tables import runs
from workers.errors import InvalidInput

from .aggregate import Aggregate, Names, aggregate
from .engine import read_engine
from .files import write_whole
from .flat import Layout
from .folder import FolderExport, FolderWriter
from .formats import Pieces, export_format, format_of_path
from .frame import TIMES, choose_library, make_frame
from .records import ResultRecord, records
from .selection import Filter, Selection, Values
from .summary import BatchCounts, BatchSummary, ErrorGroup, Latency, read_counts, read_errors, read_latency
from .versions import VersionLabels
from .where import Where

LARGEST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Some records in input order; `next_after` is what to ask for next, None at the end."""

    records: list[ResultRecord]
    next_after: int | None


class BatchResults:
    """The results of one batch, in input order.

    It asks nobody: fetch the batch through `Batch.objects.visible_to(user)` first. It reads what is committed, with
    connections of its own. States and codes are one value or several; `where` is one condition or several, of which
    each must hold (see `batches.results.where`); an unknown one raises InvalidInput.
    """

    def __init__(self, batch: Batch) -> None:
        """Read the results of `batch`, in the database that it came from."""
        self.batch = batch
        self._engine = read_engine(batch._state.db or "default")
        self._labels = VersionLabels(self._engine)

    def __iter__(self) -> Iterator[ResultRecord]:
        """Yield every record."""
        return self.records()

    def records(
        self,
        state: Values = None,
        code: Values = None,
        after: int | None = None,
        limit: int | None = None,
        *,
        where: Where = None,
    ) -> Iterator[ResultRecord]:
        """Yield records of rows after index `after`, at most `limit`; memory stays flat however many there are."""
        selection = self._selection(state, code, where)
        return (record for piece in selection.pieces(after, limit) for record in records(piece, self._labels))

    def page(
        self,
        after: int | None = None,
        limit: int = 50,
        state: Values = None,
        code: Values = None,
        *,
        where: Where = None,
    ) -> Page:
        """Return up to `limit` (1 to 1000) records after row index `after`, by key: as quick at the end as at first.

        Rows with much text make a shorter page: only `next_after` tells the end.
        """
        if not 1 <= limit <= LARGEST_PAGE:
            raise InvalidInput(f"limit is {limit}; allowed: 1 to {LARGEST_PAGE}.")
        rows, more = self._selection(state, code, where).piece(after, limit)
        return Page(records(rows, self._labels), rows[-1][0] if more else None)

    def count(self, state: Values = None, code: Values = None, *, where: Where = None) -> int:
        """Return how many rows pass. Reads all rows where no index serves the conditions."""
        if not (state or code or where):
            return self.batch.total
        statement = select(func.count()).select_from(runs)
        chosen = Filter.parse(state, code, where).apply(statement, self.batch.pk, self._engine.dialect.name)
        with self._engine.connect() as connection:
            return int(connection.execute(chosen).scalar_one())

    def counts(self) -> BatchCounts:
        """Return rows by state, tokens, cost and speed. Three lookups by index at most, however many rows."""
        return read_counts(self._engine, self.batch.pk)

    def errors(self) -> list[ErrorGroup]:
        """Return the failed rows by code with an example each, the most frequent first. Reads failed rows only."""
        return read_errors(self._engine, self.batch.pk)

    def latency(self) -> Latency | None:
        """Return the latency percentiles of the rows that succeeded. Reads all rows."""
        return read_latency(self._engine, self.batch.pk)

    def summary(self) -> BatchSummary:
        """Return counts, errors and latency: six queries at most, of which the latency reads all rows."""
        return BatchSummary(self.counts(), self.errors(), self.latency())

    def aggregate(
        self, by: Names, measures: Names = ("count", "share"), where: Where = None, limit: int = 1000
    ) -> Aggregate:
        """Return measures of rows by one or two groupings, the `limit` (1 to 10000) largest groups. Reads all rows.

        `by`: code, category, status, model, cached, attempts, latency (its ranges), parsed.NAME, input.NAME.
        `measures`: count, share, and sum, mean, p50, p90, p95, p99 of a number: `mean(cost)`, `p95(latency_ms)`,
        `sum(parsed.amount)`; cost is US dollars, latency milliseconds. Raises InvalidInput.
        """
        return aggregate(self._engine, self.batch.pk, Filter.parse(where=where), by, measures, limit)

    def frame(self, library: str | None = None, *, where: Where = None) -> Any:
        """Return the results as a data frame, with the columns of a CSV export and the times of creation, start, end.

        `library` is pandas or polars, by default whichever is installed. Whole numbers and truth values may be missing
        in both. Raises InvalidInput where the library is not installed, saying what to install.
        """
        chosen = choose_library(library)
        selection = Selection(self._engine, self.batch.pk, Filter.parse(where=where), TIMES)
        return make_frame(chosen, self.batch, selection, self._labels)

    def export(
        self,
        target: Path | BinaryIO,
        format: str | None = None,
        *,
        state: Values = None,
        code: Values = None,
        where: Where = None,
        on_progress: Callable[[int], None] = lambda rows: None,
    ) -> int:
        """Write records to a file, in input order, and return how many.

        `format` is csv, jsonl or parquet, by default what the ending says. A path is written whole or not at all: an
        old file stays until the new one is complete. `on_progress` is told the rows so far. Raises InvalidInput.
        """
        written = 0

        def counted(pieces: Pieces) -> Pieces:
            nonlocal written
            for piece in pieces:
                yield piece
                written += len(piece)
                on_progress(written)

        selection = self._selection(state, code, where)
        if isinstance(target, Path):
            write_whole(target, self._encode(format or format_of_path(target), selection, counted))
        else:
            for part in self._encode(format or "jsonl", selection, counted):
                target.write(part)
        return written

    def export_folder(
        self,
        folder: Path,
        format: str = "jsonl",
        *,
        part_rows: int | None = None,
        follow: bool = False,
        on_progress: Callable[[int], None] = lambda rows: None,
    ) -> FolderExport:
        """Write the results to files of `part_rows` rows (50,000 unless told) and a manifest; return what is there.

        A second call goes on: parts that are whole and whose rows have not changed stay. Of a batch that runs, the
        rows before the first unfinished one are written; with `follow` it goes on until the batch has ended.
        `on_progress` is told the rows in the folder. Raises InvalidInput, as for a folder with anything else in it.
        """
        writer = FolderWriter(self._engine, self.batch, self._labels, folder, format, part_rows)
        return writer.write(follow, on_progress)

    def stream(
        self, format: str = "jsonl", *, state: Values = None, code: Values = None, where: Where = None
    ) -> Iterator[bytes]:
        """Return an export as parts of bytes, for a download: no connection is held while a slow client takes one.

        Bad arguments raise InvalidInput at once, before the first part. The media type is `FORMATS[format].media_type`.
        """
        return self._encode(format, self._selection(state, code, where))

    def _selection(self, state: Values = None, code: Values = None, where: Where = None) -> Selection:
        return Selection(self._engine, self.batch.pk, Filter.parse(state, code, where))

    def _encode(
        self, format: str, selection: Selection, watch: Callable[[Pieces], Pieces] = lambda pieces: pieces
    ) -> Iterator[bytes]:
        chosen = export_format(format)
        return chosen.encode(watch(selection.pieces()), self._labels, Layout.of_batch(self.batch))
