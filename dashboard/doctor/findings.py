"""What a check finds, and how checks are run: side by side, each bounded in time, whatever is down."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.db import connections

from workers.database import first_line

# A PostgreSQL that is gone without a word is noticed within 5 s (arboretum.settings.stores).
PATIENCE_SECONDS = 8.0


class Level(StrEnum):
    """How bad a finding is. UNKNOWN: what it needs does not answer."""

    OK = "ok"
    UNKNOWN = "not checked"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found: what it is, and what to do about it.

    `is_down` says that other checks need not ask the same server.
    """

    level: Level
    text: str
    advice: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    is_down: bool = False


def ok(text: str, **facts: Any) -> Finding:
    """Return that something is as it should be."""
    return Finding(Level.OK, text, facts=facts)


def warning(text: str, advice: str, **facts: Any) -> Finding:
    """Return that something will or may do harm."""
    return Finding(Level.WARNING, text, advice, facts)


def problem(text: str, advice: str, **facts: Any) -> Finding:
    """Return that something does not work."""
    return Finding(Level.PROBLEM, text, advice, facts)


def down(text: str, advice: str, level: Level = Level.PROBLEM) -> Finding:
    """Return that a server cannot be asked."""
    return Finding(level, text, advice, is_down=True)


@dataclass(frozen=True, slots=True)
class Check:
    """A check: `look` returns what it finds, and may raise. `needs` names the checks whose servers it asks."""

    name: str
    look: Callable[[], Iterable[Finding]]
    needs: tuple[str, ...] = ()
    seconds: float = PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class Report:
    """What one check found."""

    name: str
    findings: tuple[Finding, ...]

    @property
    def has_problem(self) -> bool:
        """Whether one of its findings is a problem."""
        return any(finding.level is Level.PROBLEM for finding in self.findings)

    @property
    def is_down(self) -> bool:
        """Whether there is no use in asking this server more."""
        return any(finding.is_down for finding in self.findings)


def run_checks(checks: Sequence[Check]) -> list[Report]:
    """Run all checks and return their reports in the same order.

    Those that need nothing run first, side by side; what needs a server that is down is not run.
    """
    first = _run([check for check in checks if not check.needs])
    silent = {name for name, report in first.items() if report.is_down}
    able = [check for check in checks if check.needs and not silent.intersection(check.needs)]
    reports = first | _run(able) | {check.name: _unable(check, silent) for check in checks if silent & set(check.needs)}
    return [reports[check.name] for check in checks]


def _run(checks: Sequence[Check]) -> dict[str, Report]:
    """Run checks side by side, and wait for none longer than its time."""
    found: dict[str, Report] = {}
    began = time.monotonic()
    # Daemons, so that one that hangs does not keep the command from its end.
    threads = [threading.Thread(target=_look, args=(check, found), daemon=True) for check in checks]
    for thread in threads:
        thread.start()
    for check, thread in zip(checks, threads, strict=True):
        thread.join(max(0.0, began + check.seconds - time.monotonic()))
    late = {check.name: _late(check) for check in checks}
    return late | found


def _look(check: Check, found: dict[str, Report]) -> None:
    try:
        findings = tuple(check.look())
    except Exception as error:
        text = f"Could not be checked: {first_line(error) or type(error).__name__}"
        findings = (down(text, "Mend what the message says."),)
    finally:
        connections.close_all()
    found[check.name] = Report(check.name, findings)


def _late(check: Check) -> Report:
    text = f"No answer within {check.seconds:g} s."
    return Report(check.name, (down(text, "Look whether what it asks hangs: its process, its disk, the network."),))


def _unable(check: Check, silent: set[str]) -> Report:
    names = " and ".join(sorted(silent & set(check.needs)))
    return Report(check.name, (Finding(Level.UNKNOWN, f"Needs {names}; see there."),))
