"""The first pass over an input file, which validates all of it before anything is created.

It streams: memory holds the names of the columns, eight bytes for each custom_id, and the first problems.
"""

from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path

from batches.ids import MAX_BATCH_ROWS
from workers.errors import InvalidInput

from .opening import open_input
from .report import InputReport
from .types import InputFile, InputFormat, InputRow, RowProblem
from .unique import HashCounter, find_duplicates

# Over this many the file's custom_ids are no ids, and to keep their lines would take memory for nothing.
MAX_DUPLICATES = 100_000


def check_input(
    path: Path, needed: Collection[str] = (), *, format: InputFormat | None = None, max_problems: int = 50
) -> InputReport:
    """Read all of an input file and say what is in it.

    `needed` are the names that the template substitutes: each row must have them. Of the bad rows the first
    `max_problems` are kept and all are counted. Raises InvalidInput where the file as a whole cannot be used: it is
    empty or in another encoding, has no row or more than 16,777,216, or a needed name is no column.
    """
    file = open_input(path, format=format)
    if file.columns:
        _require_columns(file, needed)
    check = _Check(file, frozenset(needed), max_problems)
    for entry in file.entries():
        check.add(entry)
    return check.report()


class _Check:
    """The state of one check."""

    def __init__(self, file: InputFile, needed: frozenset[str], max_problems: int) -> None:
        self.file = file
        self.needed = needed
        self.max_problems = max_problems
        self.problems: list[RowProblem] = []
        self.bad = 0
        self.total = 0
        self.hashes = HashCounter()

    def add(self, entry: InputRow | RowProblem) -> None:
        """Count a row or a problem."""
        if isinstance(entry, RowProblem):
            self._add_problem(entry)
        elif entry.columns.keys() >= self.needed:
            self._add_row(entry)
        else:
            missing = min(self.needed - entry.columns.keys())
            self._add_problem(RowProblem(entry.line, missing, "is missing, and the prompt needs it"))

    def _add_row(self, row: InputRow) -> None:
        self.total += 1
        if self.total > MAX_BATCH_ROWS:
            raise InvalidInput(f"{self.file.path.name}: has more than {MAX_BATCH_ROWS:,} rows, the most of a batch.")
        if row.custom_id is not None:
            self.hashes.add(row.custom_id)

    def _add_problem(self, problem: RowProblem) -> None:
        self.bad += 1
        if len(self.problems) < self.max_problems:
            self.problems.append(problem)

    def report(self) -> InputReport:
        """Look for duplicates and return the report."""
        path = self.file.path
        if not self.total and not self.bad:
            what = "has a header, but no rows under it" if self.file.columns else "has no rows"
            raise InvalidInput(f"{path.name}: {what}.")
        if self.file.columns:
            _require_columns(self.file, self.needed)
        duplicate_lines = self._duplicate_lines()
        return InputReport(
            path=path,
            format=self.file.format,
            total=self.total - len(duplicate_lines),
            columns=self.file.columns,
            problems=tuple(sorted(self.problems)[: self.max_problems]),
            problem_count=self.bad + len(duplicate_lines),
            bytes=path.stat().st_size,
            needed=self.needed,
            duplicate_lines=duplicate_lines,
        )

    def _duplicate_lines(self) -> frozenset[int]:
        """Read the file again where hashes say that a custom_id may be there twice; return the lines of the later."""
        suspects = self.hashes.suspects()
        if not suspects:
            return frozenset()
        good = (row for row in self.file.rows() if row.columns.keys() >= self.needed)
        duplicates = find_duplicates(good, suspects, MAX_DUPLICATES)
        if len(duplicates) == MAX_DUPLICATES:
            raise InvalidInput(
                f"{self.file.path.name}: {MAX_DUPLICATES:,} rows or more repeat a custom_id, as line "
                f"{duplicates[0].line} repeats that of line {duplicates[0].first_line}; each must be unique."
            )
        self.problems += [duplicate.problem() for duplicate in duplicates[: self.max_problems]]
        return frozenset(duplicate.line for duplicate in duplicates)


def _require_columns(file: InputFile, needed: Collection[str]) -> None:
    for name in sorted(needed):
        if name not in file.columns:
            close = get_close_matches(name, file.columns, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            shown = ", ".join(file.columns[:20])
            raise InvalidInput(f"{file.path.name}: the prompt needs {name!r}, which is no column of: {shown}.{hint}")
