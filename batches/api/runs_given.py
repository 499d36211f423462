"""What the routes of runs take."""

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja.params.models import Path
from pydantic import Field, model_validator

from batches.states import RunState
from credentials.api.native import Given, PageRequest, Sorting
from workers.errors import ErrorCode

# The ids of JSON clients end there (batches.ids).
LARGEST_ID = 2**53 - 1
RunId = Annotated[int, Path(..., ge=1, le=LARGEST_ID, description="The run's id.", examples=[4531764112593337])]
RunReference = Annotated[
    str,
    Path(
        ...,
        pattern="^([1-9][0-9]{0,9}:)?[0-9]{1,16}$",
        description="The run's id, or BATCH:INDEX for a row of a batch.",
        examples=["4531764112593337"],
    ),
]
LONGEST_WAIT = 60.0
# The id tells when a single run was created, and where a row stands in its batch.
SORTING = Sorting({"id": "id"})


class NewRun(Given):
    """A single run: of an `agent` over columns, or of an agent or a `model` over the body of a request."""

    agent: str | None = Field(None, max_length=120, description="`slug`, or `slug@3` for a version.", examples=["mood"])
    model: str | None = Field(
        None,
        max_length=400,
        description="A provider's model, `credential/model`, in place of an agent.",
        examples=[None],
    )
    input: dict[str, Any] = Field(
        description="The columns; or the body of a request of that kind, without its model.", examples=[{"text": "Hi"}]
    )
    input_kind: Literal["columns", "chat", "embeddings"] = Field("columns", description="What `input` is.")
    use_cache: bool = Field(True, description="Whether a stored answer may serve it; for columns.")

    @model_validator(mode="after")
    def _one_of_both(self) -> "NewRun":
        if (self.agent is None) == (self.model is None):
            raise ValueError("give either agent or model")
        if self.model is not None and self.input_kind == "columns":
            raise ValueError("a model takes no columns: give agent, or the input_kind chat or embeddings")
        return self


class RunFilters(PageRequest):
    """Which runs to list: the rows of a batch, else single runs."""

    batch: int | None = Field(None, ge=1, le=LARGEST_ID, description="Rows of this batch in place of single runs.")
    status: RunState | None = Field(None, description="Only runs in this state.")
    code: ErrorCode | None = Field(None, description="Only runs that failed with this error code.")
    agent: str | None = Field(None, max_length=120, description="Only runs of this agent, `slug` or `slug@3`.")
    created_after: datetime | None = Field(None, description="Only single runs created then or later.")
    created_before: datetime | None = Field(None, description="Only single runs created before.")
    sort: str = Field("-id", description="`-id`: the latest first (rows: the last); `id`: the other way round.")


class Wait(Given):
    """How long to wait for the end of a run."""

    wait: float = Field(
        0.0, ge=0, le=LONGEST_WAIT, description="Seconds to wait for its end, where it has not ended.", examples=[30]
    )


class Story(Given):
    """Of which attempt to tell."""

    attempt: int | None = Field(
        None, ge=0, le=2**31 - 1, description="By default all attempts, and what the last one said."
    )
