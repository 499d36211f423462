"""The lines of a journal: JSON, one record each, and what they say when they are read again.

["h", {"process", "boot"}] who writes; ["w", run, attempt] waits for its start; ["s", run, attempt] starts;
["o", {...}] the outcome of an attempt, without the run's input.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from agents.llm.types import Usage
from batches.models import AttemptOutcome, RunEventKind
from batches.states import RunState

from .claims import ClaimedRun
from .leases import Held
from .outcomes import EventRecord, Outcome, Spent

_RUN = ("id", "batch_id", "attempt", "token", "lease_id", "version_id", "input_kind", "tries")
_PLAIN = ("worker", "tries", "delay", "output", "parsed_json", "error_code", "error_message", "pause_reason")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(slots=True)
class JournalContent:
    """What a journal says. `waiting` are runs that had not started; `outcomes` may have been stored since.

    `is_of_this_boot`: it was written on this machine, since its last start.
    """

    process: str = ""
    is_of_this_boot: bool = False
    waiting: set[Held] = field(default_factory=set)
    outcomes: list[Outcome] = field(default_factory=list)


@cache
def boot_id() -> str:
    """Return what names the time since this machine started; empty where the system does not tell."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def header(process: str) -> bytes:
    """Return the first line of the journal of `process`."""
    return orjson.dumps(["h", {"process": process, "boot": boot_id()}]) + b"\n"


def encode_outcome(outcome: Outcome) -> bytes:
    """Return the line of an outcome. Raises TypeError where a text of it is no Unicode."""
    values: dict[str, Any] = {name: getattr(outcome, name) for name in _PLAIN}
    values["kind"], values["state"] = str(outcome.kind), str(outcome.state)
    values["run"] = [getattr(outcome.run, name) for name in _RUN]
    values["spent"] = outcome.spent
    return orjson.dumps(["o", values], default=str, option=orjson.OPT_APPEND_NEWLINE)


def read_journal(data: bytes) -> JournalContent:
    """Return what the lines of a journal say, as far as they can be read.

    Only the last may be cut short. Where another cannot be read, or the machine has started since, lines about what had
    started may be lost: then nothing is taken to have waited.
    """
    content, is_believed = JournalContent(), True
    lines = data.split(b"\n")
    for line in lines[:-1]:
        try:
            _read_line(line, content)
        except (ValueError, TypeError, KeyError, IndexError, ArithmeticError):
            is_believed = False
    if not (is_believed and content.is_of_this_boot):
        content.waiting.clear()
    return content


def _read_line(line: bytes, content: JournalContent) -> None:
    kind, *values = orjson.loads(line)
    if kind == "h":
        boot = values[0]["boot"]
        content.process, content.is_of_this_boot = str(values[0]["process"]), bool(boot) and boot == boot_id()
    elif kind == "w":
        content.waiting.add((values[0], values[1]))
    elif kind == "s":
        content.waiting.discard((values[0], values[1]))
    elif kind == "o":
        content.outcomes.append(_outcome(values[0]))
        content.waiting.discard(content.outcomes[-1].run.key)
    else:
        raise ValueError("an unknown kind of line")


def _outcome(values: Mapping[str, Any]) -> Outcome:
    return Outcome(
        run=ClaimedRun(**dict(zip(_RUN, values["run"], strict=True)), input_json=""),
        spent=_spent(values["spent"]),
        kind=AttemptOutcome(values["kind"]),
        state=RunState(values["state"]),
        **{name: values[name] for name in _PLAIN},
    )


def _spent(values: Mapping[str, Any]) -> Spent:
    events = [
        EventRecord(RunEventKind(event["kind"]), event["data"], datetime.fromisoformat(event["at"]))
        for event in values["events"]
    ]
    changed = {
        "started_at": datetime.fromisoformat(values["started_at"]),
        "usage": Usage(**values["usage"]),
        "cost": Decimal(values["cost"]),
        "events": events,
    }
    return Spent(**{**values, **changed})
