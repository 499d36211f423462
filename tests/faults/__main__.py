"""`python -m tests.faults`: inject the faults, print what was expected and measured. Exits with 1 where one fails."""

import sys

from tests.benchmarks.rig.case import Result
from tests.benchmarks.rig.program import machine_line, parse_arguments, run_cases
from tests.benchmarks.rig.table import table

from .cases import CASES

HEAD = ("fault", "database", "injected", "expected", "measured", "result")


def main() -> int:
    """Inject, print, and return the exit code."""
    options = parse_arguments("tests.faults", __doc__ or "", CASES, sys.argv[1:])
    machine = machine_line()
    lines = [line for result in run_cases(CASES, options) for line in lines_of(result)]
    failed = sum(1 for line in lines if line[-1] == "FAIL")
    print(machine)
    print(table(HEAD, lines))
    print(f"{len(lines) - failed} of {len(lines)} checks passed.")
    return 1 if failed else 0


def lines_of(result: Result) -> list[tuple[str, ...]]:
    """Return the table's lines of a case. One that checked nothing, or did not get to its end, has failed."""
    start = (result.case.name, result.database)
    lines = [
        (*start, check.injected, check.expected, check.measured, "PASS" if check.ok else "FAIL")
        for check in result.lines
    ]
    if result.error or not lines:
        lines.append((*start, result.case.about, "gets to its end", result.error or "checked nothing", "FAIL"))
    return lines


if __name__ == "__main__":
    sys.exit(main())
