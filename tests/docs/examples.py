"""The examples of documents, `$ manage.py ...` and what it said, and how they are compared with what it says now."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .documents import blocks

TYPED = "$ manage.py "
LEFT_OUT = "..."
# Progress in a pipe: as many lines as the work takes, and the document shows the last.
_PROGRESS = re.compile(r"\d+/\d+ done · ")
# What differs from one run to the next: tokens, secrets, ids, the ends of keys, times, numbers, the bars of a timeline.
_VARYING = (
    (re.compile(r"(arb|whsec|msg|req)_[\w.+/=-]+…?"), r"\1_#"),
    (re.compile(r"…\w{4}"), "…#"),
    (re.compile(r"/sign-in/\S+"), "/sign-in/#"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(Z| UTC)"), "#"),
    (re.compile(r"\d[\d,.]*(?<!,)"), "#"),
    (re.compile(r"[█·]+"), " "),
    # A cancelled batch has ended at once, or as soon as its calls are cut.
    (re.compile(r"is cancell(ing|ed)"), "is cancelled"),
)


@dataclass(frozen=True, slots=True)
class Example:
    """What was typed behind `manage.py`, and the lines that followed."""

    typed: str
    told: tuple[str, ...]

    def differences(self, output: str) -> list[str]:
        """Return the lines that are not in both, with a sign as in a diff; varying parts are all alike.

        Where lines were left out of the document (`...`), only what it tells has to be there, in order; so has what
        stands before and behind a `...` within a line.
        """
        told, said = list(_comparable(self.told)), list(_comparable(output.splitlines()))
        if LEFT_OUT not in told:
            if len(told) == len(said) and all(map(_fits, told, said)):
                return []
            return [*(f"- {line}" for line in told), *(f"+ {line}" for line in said)]
        rest = iter(said)
        return [f"- {line}" for line in told if line != LEFT_OUT and not any(_fits(line, other) for other in rest)]


def examples(text: str) -> list[Example]:
    """Return the examples of a document in order."""
    found = []
    for body in blocks(text, ""):
        _, *parts = re.split(rf"^{re.escape(TYPED)}", body, flags=re.MULTILINE)
        for part in parts:
            typed, _, said = part.replace("\\\n", "").partition("\n")
            found.append(Example(typed, tuple(said.splitlines())))
    return found


def _fits(told: str, said: str) -> bool:
    before, gap, behind = told.partition(f" {LEFT_OUT} ")
    return said.startswith(before) and said.endswith(behind) if gap else told == said


def _comparable(lines: tuple[str, ...] | list[str]) -> Iterator[str]:
    for line in lines:
        shown = line.strip()
        if _PROGRESS.match(shown):
            continue
        if shown == LEFT_OUT:
            yield shown
            continue
        for pattern, stand_in in _VARYING:
            shown = pattern.sub(stand_in, shown)
        if shown:
            yield " ".join(shown.split())
