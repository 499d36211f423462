"""What the doctor found, for a person."""

from collections.abc import Iterable, Iterator, Sequence

from credentials.management.colours import BOLD, FAINT, GREEN, RED, YELLOW, Coloured, painted
from credentials.management.output import one_line

from .findings import Finding, Level, Report

_COLOURS = {Level.OK: GREEN, Level.UNKNOWN: FAINT, Level.WARNING: YELLOW, Level.PROBLEM: RED}
_LEVEL_WIDTH = max(len(level) for level in Level)


def findings_table(reports: Sequence[Report], *, coloured: bool) -> str:
    """Return a line for each finding, what to do below it, and a last line that counts."""
    width = max(len(report.name) for report in reports)
    lines = [line for report in reports for line in _lines(report, width, coloured)]
    return Coloured("\n".join([*lines, "", _count(reports)]))


def _lines(report: Report, width: int, coloured: bool) -> Iterator[str]:
    # What matters most comes first.
    for finding in sorted(report.findings, key=lambda it: -list(Level).index(it.level)):
        level = painted(f"{finding.level:<{_LEVEL_WIDTH}}", _COLOURS[finding.level] if coloured else None)
        yield f"{level}  {report.name:<{width}}  {one_line(finding.text)}"
        if finding.advice:
            advice = painted(one_line(finding.advice), BOLD if coloured else None)
            yield f"{'':<{_LEVEL_WIDTH + width + 4}}-> {advice}"


def _count(reports: Iterable[Report]) -> str:
    found = [finding.level for report in reports for finding in report.findings]
    problems, warnings = found.count(Level.PROBLEM), found.count(Level.WARNING)
    unknown = f", {found.count(Level.UNKNOWN)} not checked" if Level.UNKNOWN in found else ""
    if not problems and not warnings:
        return f"All well{unknown}."
    return f"{_number(problems, 'problem')}, {_number(warnings, 'warning')}{unknown}."


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def finding_facts(finding: Finding) -> dict[str, object]:
    """Return a finding as JSON-ready values."""
    return {"level": finding.level, "text": finding.text, "advice": finding.advice, "facts": finding.facts}
