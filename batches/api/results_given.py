"""What the routes of results take."""

from typing import Literal

from pydantic import Field

from batches.results.aggregate import LARGEST_ANSWER
from batches.results.batch_results import LARGEST_PAGE
from batches.states import RunState
from credentials.api.native import Given
from workers.errors import ErrorCode

from .runs_given import LARGEST_ID

_CONDITION = (
    "A condition such as `status=failed`, `latency_ms>2000`, `output~refund` (docs/commands.md); all must hold."
)
_CURSOR = "`next` of the page before: the index of the last row."
LARGEST_INDEX = 2**31 - 1


class RowFilters(Given):
    """Which rows of a batch."""

    where: list[str] = Field([], max_length=50, description=_CONDITION, examples=[["parsed.urgency=high"]])
    status: list[RunState] = Field([], max_length=8, description="Only rows in one of these states.")
    code: list[ErrorCode] = Field([], max_length=50, description="Only rows that failed with one of these codes.")


class ResultsWanted(RowFilters):
    """Which results to show."""

    limit: int = Field(50, ge=1, le=LARGEST_PAGE, description="How many at most; rows with much text make fewer.")
    cursor: int | None = Field(None, ge=-1, le=LARGEST_INDEX, description=_CURSOR)
    count: bool = Field(False, description="Whether to count the rows that match as well, which may read all.")


class ExportWanted(RowFilters):
    """Which results to export, and how."""

    format: Literal["jsonl", "csv", "parquet"] = Field("jsonl", description="The format of the file.")


class Question(Given):
    """What to ask of all rows."""

    by: list[str] = Field(
        min_length=1,
        max_length=2,
        description="code, category, status, model, cached, attempts, latency, parsed.NAME or input.NAME.",
        examples=[["status"]],
    )
    measure: list[str] = Field(
        ["count", "share"],
        max_length=20,
        description="count, share; sum, mean, p50, p90, p95, p99 of a number, such as mean(cost).",
    )
    where: list[str] = Field([], max_length=50, description=_CONDITION)
    limit: int = Field(1000, ge=1, le=LARGEST_ANSWER, description="How many groups at most, the largest.")


class Compared(Given):
    """With what to compare a batch, and how rows find each other."""

    other: int = Field(ge=1, le=LARGEST_ID, description="Id of the other batch.", examples=[5])
    on: Literal["index", "custom_id"] = Field("index", description="What two rows that belong together share.")


class PairsWanted(Compared):
    """Which pairs of rows to show."""

    only: Literal["all", "equal", "different"] = Field("all", description="Those that are equal, or those that differ.")
    limit: int = Field(50, ge=1, le=LARGEST_PAGE, description="How many at most.")
    cursor: int | None = Field(None, ge=-1, le=LARGEST_INDEX, description=_CURSOR)
