"""`python -m tests.benchmarks`: run the benchmarks and print their figures. Checks nothing and exits with 0."""

import sys

from .cases import CASES
from .rig.case import Result
from .rig.program import machine_line, parse_arguments, run_cases
from .rig.table import table

HEAD = ("case", "database", "figure", "measured", "aim")


def main() -> None:
    """Measure and print."""
    options = parse_arguments("tests.benchmarks", __doc__ or "", CASES, sys.argv[1:])
    machine = machine_line()
    lines = [line for result in run_cases(CASES, options) for line in lines_of(result)]
    print(machine)
    print(table(HEAD, lines))


def lines_of(result: Result) -> list[tuple[str, ...]]:
    """Return the table's lines of a case."""
    start = (result.case.name, result.database)
    lines = [(*start, figure.name, figure.value, figure.aim) for figure in result.lines]
    return [*lines, (*start, "did not end", result.error, "")] if result.error else lines


if __name__ == "__main__":
    main()
