"""Results as files in a folder, which an interrupted or later call goes on with.

Part N holds the rows from N * part_rows on. A part is written whole or not at all, and entered in the manifest after
that; so whatever kills the writer, the manifest names only whole parts, and a file that it does not describe is
written anew. Each part remembers what its rows looked like (`seen`), so that rows which ran again are found without
reading their text.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, Float, case, cast, func, select

from batches.ids import batch_id_range
from batches.models import Batch
from batches.states import TERMINAL_BATCH_STATES, TERMINAL_RUN_STATES
from batches.tables import batches, runs
from workers.errors import InvalidInput

from .files import sync_folder, write_whole
from .flat import Layout
from .formats import export_format
from .manifest import Manifest, Measured, Part, read_manifest
from .selection import Filter, ResultRow, Selection
from .versions import VersionLabels

PART_ROWS = 50_000
LARGEST_PART = 1_000_000
FOLLOW_SECONDS = 2.0
_DRAFTS = (".part-*.part", ".manifest.json.*.part")
_STATE = 2
_ENDED = sorted(state.value for state in TERMINAL_RUN_STATES)


@dataclass(frozen=True, slots=True)
class FolderExport:
    """What a call came to: rows and parts in the folder, how many parts it wrote, and whether all results are there."""

    rows: int
    parts: int
    written: int
    complete: bool


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The rows of one part as the database has them: how many, how many of them before the first unfinished one."""

    number: int
    rows: int
    before_unfinished: int
    seen: str

    @property
    def ended(self) -> bool:
        return self.rows == self.before_unfinished


class FolderWriter:
    """Writes the results of a batch to a folder."""

    def __init__(
        self, engine: Engine, batch: Batch, labels: VersionLabels, folder: Path, format: str, part_rows: int | None
    ) -> None:
        """Check the arguments. Raises InvalidInput."""
        if part_rows is not None and not 1 <= part_rows <= LARGEST_PART:
            raise InvalidInput(f"part_rows is {part_rows}; allowed: 1 to {LARGEST_PART}.")
        self._engine, self._batch, self._labels, self._folder = engine, batch, labels, folder
        self._format = export_format(format)
        self._part_rows = part_rows
        self._written = 0

    def write(self, follow: bool, on_progress: Callable[[int], None]) -> FolderExport:
        """Bring the folder up to date; with `follow` until the batch has ended. Raises InvalidInput."""
        _make_folder(self._folder)
        with _locked(self._folder):
            for pattern in _DRAFTS:
                for draft in self._folder.glob(pattern):
                    draft.unlink()
            manifest = self._manifest()
            broken = {name for name, part in manifest.parts.items() if not part.is_whole(self._folder)}
            while not self._pass(manifest, broken, follow, on_progress) and follow:
                time.sleep(FOLLOW_SECONDS)
        return FolderExport(manifest.rows, len(manifest.parts), self._written, manifest.complete)

    def _manifest(self) -> Manifest:
        """Return the folder's manifest, or a new one for a folder that has nothing else."""
        wanted = Manifest(
            self._batch.pk, self._batch.created_at.isoformat(), self._format.name, self._part_rows or PART_ROWS
        )
        found = read_manifest(self._folder)
        if found is None:
            if strange := next(self._folder.iterdir(), None):
                raise InvalidInput(f"{self._folder}: holds {strange.name} and no manifest; choose an empty folder.")
            wanted.save(self._folder)
            return wanted
        if (found.batch, found.created_at) != (wanted.batch, wanted.created_at):
            raise InvalidInput(f"{self._folder}: holds results of batch {found.batch}; choose another folder.")
        if found.format != wanted.format:
            raise InvalidInput(f"{self._folder}: holds {found.format}, not {wanted.format}; choose another folder.")
        if self._part_rows not in (None, found.part_rows):
            raise InvalidInput(f"{self._folder}: has parts of {found.part_rows} rows; choose another folder.")
        return found

    def _pass(self, manifest: Manifest, broken: set[str], follow: bool, on_progress: Callable[[int], None]) -> bool:
        """Write what has changed; return whether all is there. One that follows leaves a growing part for later."""
        # Asked before the rows are read: what ends meanwhile is found by the next pass.
        total, has_ended = self._standing()
        stretches = self._stretches(manifest.part_rows)
        behind_unfinished = False
        for stretch in stretches:
            name = f"part-{stretch.number:05d}.{self._format.name}"
            old = None if name in broken else manifest.parts.get(name)
            rows = _rows_to_write(stretch, old, behind_unfinished, follow)
            behind_unfinished = behind_unfinished or not stretch.ended
            if rows:
                self._write_part(manifest, name, stretch, rows)
                broken.discard(name)
                on_progress(manifest.rows)
            elif old is None and manifest.parts.pop(name, None) is not None:
                manifest.save(self._folder)
        complete = has_ended and not behind_unfinished and manifest.rows == total
        if complete != manifest.complete:
            manifest.complete = complete
            manifest.save(self._folder)
        return complete

    def _write_part(self, manifest: Manifest, name: str, stretch: _Stretch, rows: int) -> None:
        first = stretch.number * manifest.part_rows
        pieces = _Ended(Selection(self._engine, self._batch.pk, Filter()).pieces(first - 1, rows))
        data = Measured(self._format.encode(pieces, self._labels, Layout.of_batch(self._batch)))
        if manifest.complete:
            manifest.complete = False
            manifest.save(self._folder)
        write_whole(self._folder / name, data, follow_link=False)
        sync_folder(self._folder)
        seen = stretch.seen if pieces.rows == stretch.rows else ""
        manifest.parts[name] = Part(name, first, first + pieces.rows - 1, pieces.rows, data.bytes, data.sha256, seen)
        manifest.save(self._folder)
        self._written += 1

    def _standing(self) -> tuple[int, bool]:
        """Return how many rows the batch has, and whether it has ended."""
        with self._engine.connect() as connection:
            row = connection.execute(
                select(batches.c.total, batches.c.state).where(batches.c.id == self._batch.pk)
            ).one()
        return row.total, row.state in TERMINAL_BATCH_STATES

    def _stretches(self, part_rows: int) -> list[_Stretch]:
        """Return the parts as they could be written now: one pass over the rows, without their text."""
        first, end = batch_id_range(self._batch.pk)
        number = runs.c.index // part_rows
        unfinished = func.min(case((runs.c.state.not_in(_ENDED), runs.c.index)))
        looks = (
            func.sum(runs.c.attempt),
            func.sum(runs.c.input_tokens),
            func.sum(runs.c.output_tokens),
            cast(func.sum(runs.c.cost), Float),
            func.max(runs.c.finished_at),
        )
        statement = (
            select(number, func.count(), unfinished, *looks)
            .where(runs.c.id >= first, runs.c.id < end)
            .group_by(number)
            .order_by(number)
        )
        with self._engine.connect() as connection:
            return [
                _Stretch(place, rows, rows if until is None else until - place * part_rows, _text(seen))
                for place, rows, until, *seen in connection.execute(statement)
            ]


class _Ended:
    """Rows up to the first that has not ended: one may have been started again since it was looked at."""

    def __init__(self, pieces: Iterator[Sequence[ResultRow]]) -> None:
        self._pieces = pieces
        self.rows = 0

    def __iter__(self) -> Iterator[Sequence[ResultRow]]:
        for piece in self._pieces:
            ended = next((place for place, row in enumerate(piece) if row[_STATE] not in _ENDED), len(piece))
            self.rows += ended
            if ended:
                yield piece[:ended]
            if ended < len(piece):
                return


def _rows_to_write(stretch: _Stretch, old: Part | None, behind_unfinished: bool, follow: bool) -> int:
    """Return how many rows of a part to write now, 0 for none.

    A part of which rows run again stays as it is until they have ended.
    """
    if stretch.ended:
        is_due = old.seen != stretch.seen if old else not behind_unfinished
        return stretch.rows if is_due else 0
    if behind_unfinished or follow or (old and old.rows >= stretch.before_unfinished):
        return 0
    return stretch.before_unfinished


def _text(seen: Sequence[object]) -> str:
    """Return what tells a part's rows from what they were: a new attempt, a late price, another end."""
    return " ".join(f"{value:.9f}" if isinstance(value, float) else str(value) for value in seen)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{folder}: cannot be made ({error.strerror}).") from None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder, until the process ends however it does. Raises InvalidInput where another writes to it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidInput(f"{folder}: another export writes to it.") from None
        yield
    finally:
        os.close(handle)
