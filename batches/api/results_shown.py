"""What the routes of results show."""

from typing import Any

from pydantic import Field

from agents.api.shown import Failure, TokensUsed
from batches.results import Aggregate
from batches.results.comparison import ComparisonSummary, Pair
from credentials.api.native import Shown


class Record(Shown):
    """A row's result."""

    index: int = Field(description="Its place in the input, from 0.", examples=[17])
    custom_id: str | None = Field(description="The row's own id.", examples=["ticket-7"])
    status: str = Field(description="The state of the row.", examples=["succeeded"])
    output: str | None = Field(description="The answer's text.", examples=["billing"])
    parsed: Any = Field(description="The answer by its schema.")
    error: Failure | None = Field(description="Why it failed.")
    attempts: int = Field(description="How often it was tried.", examples=[1])
    usage: TokensUsed = Field(description="Tokens of all attempts.")
    cost: float = Field(description="US dollars, of all attempts.", examples=[0.00005])
    latency_ms: int | None = Field(description="Milliseconds of the last attempt.", examples=[790])
    agent: str | None = Field(description="Slug; null where a model was asked.", examples=["triage"])
    version: int | None = Field(description="Number of the agent's version.", examples=[3])
    model: str = Field(description="`credential/model` that answered.", examples=["openai/gpt-4o-mini"])
    input: Any = Field(description="The columns, or the body of the request.")
    cached: bool = Field(description="Whether a stored answer served it.")


class Records(Shown):
    """Results in the order of the input."""

    data: list[Record] = Field(description="The rows.")
    next: int | None = Field(description="The cursor of the next page; null at the end.", examples=[49])
    total: int | None = Field(description="Rows that match, where `count` asks for it.", examples=[None])


class Groups(Shown):
    """What rows come to by group, the largest first; those of latency and attempts in their order."""

    by: list[str] = Field(description="What they are grouped by.", examples=[["status"]])
    measures: list[str] = Field(description="What is measured.", examples=[["count", "share"]])
    data: list[dict[str, Any]] = Field(
        description="A group each, by these names.", examples=[[{"status": "succeeded", "count": 198, "share": 0.99}]]
    )
    total: int = Field(description="Rows.", examples=[200])
    groups: int = Field(description="Groups in all.", examples=[2])

    @classmethod
    def of(cls, answer: Aggregate) -> "Groups":
        """Show `answer`."""
        return cls(
            by=list(answer.by),
            measures=list(answer.measures),
            data=answer.rows,
            total=answer.total,
            groups=answer.groups,
        )


class SideShown(Shown):
    """A row on one side of a pair."""

    index: int = Field(description="Its place in its batch.", examples=[17])
    status: str = Field(description="The state of the row.", examples=["succeeded"])
    output: str | None = Field(description="The answer's text.", examples=["billing"])
    cost: float = Field(description="US dollars.", examples=[0.00005])
    latency_ms: int | None = Field(description="Milliseconds.", examples=[790])
    code: str | None = Field(description="The error code.", examples=[None])


class PairShown(Shown):
    """A row of the batch and its partner in the other."""

    custom_id: str | None = Field(description="The row's own id.", examples=["ticket-7"])
    one: SideShown = Field(description="The row of the batch.")
    other: SideShown | None = Field(description="Its partner; null where it has none.")
    is_equal: bool = Field(description="Whether both succeeded with the same answer.")

    @classmethod
    def of(cls, pair: Pair) -> "PairShown":
        """Show `pair`."""
        return cls.model_validate(pair, from_attributes=True)


class Pairs(Shown):
    """Pairs in the order of the batch."""

    data: list[PairShown] = Field(description="The pairs.")
    next: int | None = Field(description="The cursor of the next page; null at the end.", examples=[49])


class TotalsShown(Shown):
    """What the pairs come to on one side."""

    succeeded: int = Field(description="Rows that succeeded.", examples=[198])
    cost: float = Field(description="US dollars.", examples=[0.0098])
    mean_latency_ms: float | None = Field(description="The mean, in milliseconds.", examples=[1200.5])


class StatesCounted(Shown):
    """How many pairs have these two states."""

    one: str = Field(description="The state of the row of the batch.", examples=["succeeded"])
    other: str = Field(description="The state of its partner.", examples=["failed"])
    count: int = Field(description="Pairs.", examples=[2])


class ComparisonShown(Shown):
    """All pairs of two batches, counted."""

    pairs: int = Field(description="Rows that have a partner.", examples=[200])
    equal: int = Field(description="Pairs that succeeded with the same answer.", examples=[180])
    different: int = Field(description="All other pairs.", examples=[20])
    only_one: int = Field(description="Rows of the batch without a partner.", examples=[0])
    only_other: int = Field(description="Rows of the other without a partner.", examples=[0])
    states: list[StatesCounted] = Field(description="Pairs by their states.")
    one: TotalsShown = Field(description="The batch, of rows that have a partner.")
    other: TotalsShown = Field(description="The other.")

    @classmethod
    def of(cls, summary: ComparisonSummary) -> "ComparisonShown":
        """Show `summary`."""
        states = [StatesCounted(one=one, other=other, count=count) for (one, other), count in summary.states.items()]
        counts: dict[str, Any] = {
            name: getattr(summary, name) for name in ("pairs", "equal", "different", "only_one", "only_other")
        }
        totals: dict[str, Any] = {
            name: TotalsShown.model_validate(getattr(summary, name), from_attributes=True) for name in ("one", "other")
        }
        return cls(**counts, **totals, states=states)
