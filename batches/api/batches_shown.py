"""What the routes of batches show."""

from datetime import datetime
from typing import Any

from pydantic import Field

from batches.models import Batch
from batches.results import BatchSummary
from batches.states import BatchState, Priority
from credentials.api.native import Shown


class BatchShown(Shown):
    """A batch, with counts that are live."""

    id: int = Field(description="The batch's id.", examples=[4])
    name: str = Field(description="By default the file's name.", examples=["tickets"])
    state: BatchState = Field(description="Where it is.", examples=["running"])
    state_reason: str = Field(description="Why it is there, such as why it is paused.", examples=[""])
    agent: str | None = Field(description="Slug of its agent; null where a model was asked.", examples=["triage"])
    version: int | None = Field(description="Number of the agent's version.", examples=[3])
    model: str | None = Field(description="`credential/model` of its version.", examples=["openai/gpt-4o-mini"])
    is_mixed: bool = Field(description="Whether its rows may have different versions.")
    priority: str = Field(description="low, normal, high or urgent.", examples=["normal"])
    weight: int = Field(description="Its share of a model beside batches of its priority.", examples=[1])
    input_name: str = Field(description="Name of the file.", examples=["tickets.csv"])
    input_bytes: int = Field(description="Its size.", examples=[52_000])
    columns: list[str] = Field(description="Names of the input's columns.", examples=[["ticket"]])
    skipped_rows: int = Field(description="Bad rows that were left out.", examples=[0])
    metadata: dict[str, Any] = Field(description="What the creator noted.", examples=[{}])
    pilot_rows: int | None = Field(description="How many rows run first, alone.", examples=[None])
    total: int = Field(description="Rows.", examples=[200])
    succeeded: int = Field(description="Rows that succeeded.", examples=[198])
    failed: int = Field(description="Rows that failed.", examples=[2])
    cancelled: int = Field(description="Rows that were cancelled.", examples=[0])
    expired: int = Field(description="Rows that expired.", examples=[0])
    input_tokens: int = Field(description="Tokens of the input, all attempts.", examples=[40_000])
    output_tokens: int = Field(description="Tokens of the output, all attempts.", examples=[6_400])
    cost: float = Field(description="US dollars, all attempts.", examples=[0.0098])
    owner: str = Field(description="User name of the owner.", examples=["admin"])
    created_at: datetime = Field(description="When it was created.")
    started_at: datetime | None = Field(description="When it was started first.")
    finished_at: datetime | None = Field(description="When it ended.")

    @classmethod
    def of(cls, batch: Batch) -> "BatchShown":
        """Show `batch`, whose version, agent, credential and owner should be selected with it."""
        values = {name: getattr(batch, name) for name in _PLAIN}
        return cls(
            **values,
            **_version(batch),
            state=BatchState(batch.state),
            priority=Priority(batch.priority).name.lower(),
            pilot_rows=None if batch.pilot is None else len(batch.pilot),
            cost=float(batch.cost),
            owner=batch.owner.username,
        )


_PLAIN = (
    *("id", "name", "state_reason", "is_mixed", "weight", "input_name", "input_bytes", "columns", "skipped_rows"),
    *("metadata", "total", "succeeded", "failed", "cancelled", "expired", "input_tokens", "output_tokens"),
    *("created_at", "started_at", "finished_at"),
)


def _version(batch: Batch) -> dict[str, Any]:
    version = batch.agent_version
    if version is None:
        return {"agent": None, "version": None, "model": None}
    is_plain = version.is_plain
    return {
        "agent": None if is_plain else version.agent.slug,
        "version": None if is_plain else version.number,
        "model": f"{version.credential.name}/{version.model}",
    }


class Retried(BatchShown):
    """A batch, and how many of its rows run again."""

    retried: int = Field(description="Rows that run again.", examples=[2])


class LatencyShown(Shown):
    """Milliseconds that succeeded rows took."""

    mean: float = Field(description="The mean.", examples=[1200.5])
    p50: int = Field(description="The median.", examples=[1100])
    p90: int = Field(description="The 90th percentile.", examples=[1900])
    p95: int = Field(description="The 95th percentile.", examples=[2100])
    p99: int = Field(description="The 99th percentile.", examples=[2900])


class ErrorGroupShown(Shown):
    """Failed rows of one error code."""

    code: str = Field(description="The error code.", examples=["timeout"])
    category: str = Field(description="transient, permanent or system.", examples=["transient"])
    count: int = Field(description="Rows.", examples=[2])
    index: int = Field(description="The first of them.", examples=[17])
    message: str = Field(description="What the first of them was told.")


class SummaryShown(BatchShown):
    """What a batch came to, under way or ended."""

    wall_seconds: float | None = Field(description="From its start to its end, or to now.", examples=[42.0])
    runs_per_second: float | None = Field(description="Rows ended per second.", examples=[4.7])
    running: int = Field(description="Rows in the hands of workers.", examples=[0])
    suspects: int = Field(description="Rows that a process died with, which run apart.", examples=[0])
    cached: int = Field(description="Rows that stored answers served.", examples=[0])
    latency_ms: LatencyShown | None = Field(description="Null as long as nothing has succeeded.")
    errors: list[ErrorGroupShown] = Field(description="Failed rows by code, the most frequent first.")

    @classmethod
    def of_summary(cls, batch: Batch, summary: BatchSummary) -> "SummaryShown":
        """Show `batch` with its `summary`."""
        counts, latency = summary.counts, summary.latency
        return cls(
            **BatchShown.of(batch).model_dump(),
            wall_seconds=counts.wall_seconds,
            runs_per_second=counts.runs_per_second,
            running=counts.states["running"],
            suspects=counts.suspects,
            cached=summary.cached,
            latency_ms=None
            if latency is None
            else LatencyShown(**{name: getattr(latency, name) for name in LatencyShown.model_fields}),
            errors=[
                ErrorGroupShown(**{name: getattr(group, name) for name in ErrorGroupShown.model_fields})
                for group in summary.errors
            ],
        )
