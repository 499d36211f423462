"""What a check found, and the second pass that the check allows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from batches.models.batch import InputKind
from workers.errors import InvalidInput

from .opening import open_input
from .types import InputFormat, InputRow, RowProblem


@dataclass(frozen=True, slots=True)
class InputReport:
    """What the check found. `total` counts the good rows, `problem_count` the bad ones, `problems` are the first."""

    path: Path
    format: InputFormat
    total: int
    columns: tuple[str, ...]
    problems: tuple[RowProblem, ...]
    problem_count: int
    bytes: int
    needed: frozenset[str] = frozenset()
    duplicate_lines: frozenset[int] = field(default=frozenset(), repr=False)
    kind: InputKind = InputKind.COLUMNS

    def describe(self, most: int = 10) -> str:
        """Return the problems in words, at most `most` of them, each with its line; "" where there is none."""
        if not self.problem_count:
            return ""
        shown = self.problems[:most]
        more = self.problem_count - len(shown)
        count = "1 bad row" if self.problem_count == 1 else f"{self.problem_count:,} bad rows"
        lines = [f"{self.path.name}: {count} of {self.total + self.problem_count:,}"]
        lines += [f"  {problem}" for problem in shown]
        return "\n".join(lines + ([f"  and {more:,} more"] if more else []))

    def raise_for_problems(self) -> None:
        """Raise InvalidInput with the description where a row is bad."""
        if self.problem_count:
            raise InvalidInput(self.describe())


def read_rows(report: InputReport, *, skip_problems: bool = False) -> Iterator[InputRow]:
    """Yield the good rows of a checked file, the second pass, from which a batch's runs are made.

    Raises InvalidInput where there are bad rows that nobody chose to skip, and where the file has changed since the
    check, at the latest after the last row: make the rows that were read so far undone then.
    """
    if not skip_problems:
        report.raise_for_problems()
    changed = InvalidInput(f"{report.path.name}: has changed since it was checked.")
    file = open_input(report.path, format=report.format)
    if report.path.stat().st_size != report.bytes:
        raise changed
    found = 0
    for row in file.rows():
        if row.columns.keys() >= report.needed and row.line not in report.duplicate_lines:
            found += 1
            if found > report.total:
                raise changed
            yield row
    if found != report.total:
        raise changed
