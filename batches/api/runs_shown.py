"""What the routes of runs show. Names are those of a result record (batches.results.records)."""

from datetime import datetime
from typing import Any

from pydantic import Field

from agents.api.shown import Failure, TokensUsed
from agents.llm.types import Usage
from batches.models import Run
from batches.results.categories import category_of
from batches.states import RunState
from credentials.api.native import Shown


class RunListed(Shown):
    """A run in a list: all but what went in and came out."""

    id: int = Field(description="The run's id.", examples=[4531764112593337])
    batch: int | None = Field(description="Id of its batch; null for a single run.", examples=[None])
    index: int | None = Field(description="Its place in the batch, from 0.", examples=[None])
    custom_id: str | None = Field(description="The row's own id.", examples=["ticket-7"])
    status: RunState = Field(description="Where it is.", examples=["succeeded"])
    error: Failure | None = Field(description="Why it failed.")
    attempts: int = Field(description="How often it was tried.", examples=[1])
    usage: TokensUsed = Field(description="Tokens of all attempts.")
    cost: float = Field(description="US dollars, of all attempts.", examples=[0.0000021])
    latency_ms: int | None = Field(description="Milliseconds of the last attempt.", examples=[790])
    agent: str | None = Field(description="Slug; null where a model was asked.", examples=["triage"])
    version: int | None = Field(description="Number of the agent's version.", examples=[3])
    model: str = Field(description="`credential/model` that answered.", examples=["openai/gpt-4o-mini"])
    cached: bool = Field(description="Whether a stored answer served it.")
    created_at: datetime = Field(description="When it was accepted.")
    started_at: datetime | None = Field(description="When it was taken up first.")
    finished_at: datetime | None = Field(description="When it ended.")

    @classmethod
    def of(cls, run: Run) -> "RunListed":
        """Show `run`, whose version, agent and credential should be selected with it."""
        return cls(**_facts(run))


class RunShown(RunListed):
    """A run with what went in and what came out."""

    input_kind: str = Field(description="columns, chat, embeddings or responses.", examples=["columns"])
    input: Any = Field(description="The columns, or the body of the request.")
    output: str | None = Field(description="The answer's text.")
    parsed: Any = Field(description="The answer by its schema, or the vectors of embeddings.")
    completion: Any = Field(description="What the answer held besides text: finish_reason, tool_calls, reasoning.")

    @classmethod
    def of(cls, run: Run) -> "RunShown":
        """Show `run`, as above."""
        said: dict[str, Any] = {"output": run.output, "parsed": run.parsed, "completion": run.completion}
        return cls(**_facts(run), input_kind=run.input_kind, input=run.input, **said)


# What a list does not read from the database.
CONTENT = ("input_json", "output", "parsed", "completion")


def _facts(run: Run) -> dict[str, Any]:
    version = run.agent_version
    usage = Usage(run.input_tokens, run.output_tokens, run.cached_tokens, run.reasoning_tokens)
    return {
        "id": run.pk,
        "batch": run.batch_id,
        "index": None if run.batch_id is None else run.index,
        "custom_id": run.custom_id,
        "status": RunState(run.state),
        "error": _failure(run),
        "attempts": run.attempt,
        "usage": TokensUsed.of(usage),
        "cost": float(run.cost),
        "latency_ms": run.latency_ms,
        "agent": None if version.is_plain else version.agent.slug,
        "version": None if version.is_plain else version.number,
        "model": run.model or f"{version.credential.name}/{version.model}",
        "cached": run.is_cached,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }


def _failure(run: Run) -> Failure | None:
    code = run.error_code
    return Failure(code=code, category=category_of(code), message=run.error_message or "") if code else None
