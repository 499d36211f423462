"""What is wrong in the input of a batch, as its creator is told: by line, with a code and the parameter at fault.

The codes are OpenAI's and those of servers that follow it, where these have one.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

MOST_PROBLEMS = 1_000
LONGEST_MESSAGE, LONGEST_PARAM = 1_000, 200


class ProblemCode(StrEnum):
    """What kind of problem."""

    INVALID_JSON_LINE = "invalid_json_line"
    MISSING_PARAMETER = "missing_required_parameter"
    DUPLICATE_CUSTOM_ID = "duplicate_custom_id"
    URL_MISMATCH = "url_mismatch"
    MODEL_NOT_FOUND = "model_not_found"
    INVALID_REQUEST = "invalid_request"
    TOO_MANY_TASKS = "too_many_tasks"
    EMPTY_BATCH = "empty_batch"
    FILE_NOT_FOUND = "input_file_not_found"
    MORE = "more_errors"


class BadLine(Exception):
    """A line cannot become a row."""

    def __init__(self, code: ProblemCode, message: str, param: str | None = None) -> None:
        """Hold the code, the text for a person, and the parameter at fault; of both what can be stored."""
        super().__init__(_kept(message, LONGEST_MESSAGE))
        self.code = code
        self.param = None if param is None else _kept(param, LONGEST_PARAM)


def _kept(text: str, longest: int) -> str:
    """Return `text` as it is told: what a line says may stand in it, which is long, or holds what cannot be stored."""
    text = text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem; `line` counts from 1, None for one of the whole file."""

    code: ProblemCode
    message: str
    param: str | None = None
    line: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as OpenAI's batch object tells it (openai/types/batch_error.py)."""
        return {"code": str(self.code), "message": self.message, "param": self.param, "line": self.line}


class Problems:
    """The problems of a file: the first MOST_PROBLEMS by line, and how many more there are."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: list[Problem] = []
        self.number = 0

    @classmethod
    def of_file(cls, problem: Problem) -> Self:
        """Return the one problem of a whole file."""
        problems = cls()
        problems.number = 1
        problems._kept = [problem]
        return problems

    def __bool__(self) -> bool:
        return self.number > 0

    def add(self, line: int, bad: BadLine) -> None:
        """Add what is wrong with a line; to be called in the order of lines."""
        self.number += 1
        if len(self._kept) < MOST_PROBLEMS:
            self._kept.append(Problem(bad.code, str(bad), bad.param, line))

    def merge(self, others: Iterable[Problem]) -> None:
        """Add problems that were found in another pass, also in the order of lines; only as many as may be kept are."""
        found: list[Problem] = []
        for problem in others:
            self.number += 1
            if len(found) < MOST_PROBLEMS:
                found.append(problem)
        self._kept = list(heapq.merge(self._kept, found, key=lambda problem: problem.line or 0))[:MOST_PROBLEMS]

    def reason(self) -> str:
        """Return the first problem, and how many there are, in a sentence or two."""
        first = self._kept[0]
        place = "" if first.line is None else f"Line {first.line}: "
        more = f" There are {self.number - 1:,} more errors." if self.number > 1 else ""
        # The count is the last thing that may be cut off.
        return f"{place}{first.message[:400]}{more}"

    def as_list(self) -> list[dict[str, Any]]:
        """Return what is kept, and as the last one how many more there are, if any."""
        listed = [problem.as_dict() for problem in self._kept]
        if more := self.number - len(self._kept):
            listed.append(Problem(ProblemCode.MORE, f"There are {more:,} more errors.").as_dict())
        return listed
