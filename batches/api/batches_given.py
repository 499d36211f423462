"""What the routes of batches take."""

from typing import Annotated, Any, Literal, Self

from ninja.params.models import Path
from pydantic import Field, Json, model_validator

from batches.estimating.sampling import LEAST_PILOT, MOST_PILOT
from batches.ids import MAX_BATCH_ROWS
from batches.manager import LARGEST_WEIGHT, BatchOptions
from batches.states import BatchState, Priority
from credentials.api.native import Given, PageRequest, Sorting
from workers.errors import ErrorCode

from .runs_given import LARGEST_ID

MOST_ROWS = 10_000
BatchId = Annotated[int, Path(..., ge=1, le=LARGEST_ID, description="The batch's id.", examples=[4])]
Index = Annotated[int, Path(..., ge=0, lt=MAX_BATCH_ROWS, description="The row's place, from 0.", examples=[17])]
PriorityName = Literal["low", "normal", "high", "urgent"]
SORTING = Sorting({"id": "id", "name": "name", "total": "total", "failed": "failed", "cost": "cost"})
_AGENT = "`slug`, or `slug@3` for a version."
_WEIGHT = f"1 to {LARGEST_WEIGHT}: its share of a model beside batches of its priority."


class Rows(Given):
    """An agent, and how its rows are taken in."""

    agent: str = Field(max_length=120, description=_AGENT, examples=["triage"])
    skip_bad_rows: bool = Field(False, description="Leave bad rows out; else one bad row refuses all.")


class NewBatch(Rows):
    """What may be chosen about a new batch."""

    name: str = Field("", max_length=200, description="By default the file's name.", examples=["tickets"])
    priority: PriorityName = Field("normal", description="Which batch goes first where several wait.")
    weight: int = Field(1, ge=1, le=LARGEST_WEIGHT, description=_WEIGHT)
    use_cache: bool = Field(True, description="Whether stored answers may serve rows.")
    tells_rows: bool = Field(False, description="Tell webhooks of each row that ends, not of the batch alone.")
    start: bool = Field(False, description="Start it at once; else it is left ready.")

    def options(self, metadata: dict[str, Any]) -> BatchOptions:
        """Return it as the manager takes it."""
        return BatchOptions(
            name=self.name,
            priority=Priority[self.priority.upper()],
            weight=self.weight,
            skip_bad_rows=self.skip_bad_rows,
            use_cache=self.use_cache,
            tells_rows=self.tells_rows,
            metadata=metadata,
        )


Metadata = dict[str, Any]
_METADATA = "What you want to note on it: a JSON object."
_ROWS = "The rows: the values by the names of the columns; `custom_id` is optional and unique."
_FORMAT = "csv or jsonl, where the file's name does not tell."


class Source(Given):
    """Where rows come from that are in no form: either `rows` or `file_id`."""

    rows: list[dict[str, Any]] | None = Field(
        None, min_length=1, max_length=MOST_ROWS, description=_ROWS, examples=[[{"ticket": "Where is my parcel?"}]]
    )
    file_id: str | None = Field(None, max_length=30, description="Id of a stored file (`/v1/files`), CSV or JSONL.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.rows is None) == (self.file_id is None):
            raise ValueError("give either rows or file_id")
        return self


class RowsBody(Rows, Source):
    """Rows within the body, or those of a stored file."""


class BatchBody(NewBatch, Source):
    """A new batch whose rows are within the body, or in a stored file."""

    metadata: Metadata = Field({}, description=_METADATA)


class RowsForm(Rows):
    """The fields beside a file."""

    format: Literal["csv", "jsonl"] | None = Field(None, description=_FORMAT)


class BatchForm(NewBatch):
    """The fields beside the file of a new batch."""

    format: Literal["csv", "jsonl"] | None = Field(None, description=_FORMAT)
    metadata: Json[Metadata] = Field("{}", description=_METADATA, validate_default=True)


class BatchFilters(PageRequest):
    """Which batches to list."""

    state: BatchState | None = Field(None, description="Only batches in this state.")
    agent: str | None = Field(None, max_length=120, description=f"Only batches of this agent, {_AGENT}")
    q: str | None = Field(None, max_length=200, description="Part of the name.")
    sort: str = Field("-id", description="id, name, total, failed or cost; `-` before it: downwards.")


class Share(Given):
    """A batch's share of the workers; what is left out stays."""

    priority: PriorityName | None = Field(None, description="Which batch goes first where several wait.")
    weight: int | None = Field(None, ge=1, le=LARGEST_WEIGHT, description=_WEIGHT)


class Pilot(Given):
    """A pilot."""

    rows: int = Field(ge=LEAST_PILOT, le=MOST_PILOT, description="How many rows run first, alone.", examples=[40])


class Reason(Given):
    """Why a batch is paused."""

    reason: str = Field("", max_length=500, description="For people.", examples=["Night shift."])


class RowsToRetry(Given):
    """Which failed rows to run again: all, or those chosen."""

    codes: list[ErrorCode] = Field([], max_length=50, description="Only rows that failed with one of these codes.")
    indexes: list[int] = Field([], max_length=MOST_ROWS, description="Only these rows, counted from 0.")
    agent: str | None = Field(
        None, max_length=120, description=f"With another version or agent: {_AGENT}", examples=[None]
    )
