"""What both programs do: read the command line, run the cases one after the other, tell how they get on."""

import argparse
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support.postgres import postgres_programs

from .case import DATABASES, Case, Result, Size
from .own_process import run_in_own_process


def parse_arguments(program: str, about: str, cases: Sequence[Case], arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options, or exit with 2 and the reason."""
    listed = "\n".join(f"  {case.name:20}{case.about}{' (--long)' * case.long}" for case in cases)
    parser = argparse.ArgumentParser(
        prog=f"python -m {program}",
        description=about,
        epilog=f"cases:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    names = [case.name for case in cases]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help="this case; may be repeated")
    parser.add_argument("--rows", type=_positive, help="rows of each case, in place of its own number")
    parser.add_argument("--repeats", type=_positive, help="how often each case repeats, in place of its own number")
    parser.add_argument("--long", action="store_true", help="the cases that take minutes, too")
    parser.add_argument("--logs", type=Path, help="folder that the workers' logs are copied to")
    return parser.parse_args(arguments)


def run_cases(cases: Sequence[Case], options: argparse.Namespace) -> Iterator[Result]:
    """Yield the result of each chosen case on each chosen database; progress goes to standard error."""
    for case in chosen_cases(cases, options):
        for database in (name for name in _databases(options.database) if name in case.databases):
            print(f"{case.name} on {database} ...", file=sys.stderr, flush=True)
            size = Size(options.rows or case.rows, options.repeats or case.repeats)
            result = run_in_own_process(case, database, size, options.logs)
            print(f"{case.name} on {database}: {result.seconds:.0f} s", file=sys.stderr, flush=True)
            yield result


def chosen_cases(cases: Sequence[Case], options: argparse.Namespace) -> list[Case]:
    """Return the cases that are asked for: those named, else all, long ones only with `--long`."""
    return [case for case in cases if (case.name in options.only if options.only else options.long or not case.long)]


def machine_line() -> str:
    """Return on what this is measured, and how busy it is at this moment."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}; load {load}"


def _databases(asked: str) -> Sequence[str]:
    if asked != "both":
        return [asked]
    if postgres_programs() is None:
        print("PostgreSQL is left out: no initdb on PATH or below /usr/lib/postgresql.", file=sys.stderr)
        return ["sqlite"]
    return DATABASES


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
