"""Routes of estimates: what rows will take in tokens and money."""

from pathlib import Path

from django.http import HttpRequest
from pydantic import Field

from agents.selectors import get_version
from batches.estimating.from_prompts import PromptEstimate, estimate_file
from batches.estimating.from_rows import RowsEstimate, estimate_batch
from batches.estimating.interval import Interval
from batches.manager import BatchManager
from credentials.api.callers import Caller
from credentials.api.native import Routes, Shown

from .batches import READ
from .batches_given import BatchId, Rows, RowsBody, RowsForm
from .bodies import form_or_json
from .uploads import is_multipart, read_form, read_json, source_path, upload_path

routes = Routes("Estimates")


class AnswersExpected(Shown):
    """What is known of the answers before they are there."""

    source: str = Field(
        description="history, earlier_versions, schema, parameter, model, embeddings or unknown.", examples=["history"]
    )
    tokens: float | None = Field(description="Tokens of an answer; null where nothing is known.", examples=[32.0])
    spread: float | None = Field(description="Their standard deviation.", examples=[1.2])
    is_limit: bool = Field(description="Whether `tokens` is the most that it can be.")


class PromptEstimateShown(Shown):
    """What rows will take, from their prompts alone, a call a row."""

    rows: int = Field(description="Rows.", examples=[200])
    skipped_rows: int = Field(description="Bad rows that are left out.", examples=[0])
    models: list[str] = Field(description="`credential/model` of the version.", examples=[["openai/gpt-4o-mini"]])
    input_tokens: int = Field(description="Tokens of all prompts.", examples=[40_017])
    output_tokens: float | None = Field(description="Tokens of all answers; null: unknown.", examples=[6415.0])
    answers: AnswersExpected = Field(description="What is known of the answers.")
    cost: float | None = Field(description="US dollars; null where a model has no price.", examples=[0.0098])
    least_seconds: float | None = Field(description="What it takes at least, by the limits.", examples=[24.0])

    @classmethod
    def of(cls, estimate: PromptEstimate) -> "PromptEstimateShown":
        """Show `estimate`."""
        return cls(
            rows=estimate.report.total,
            skipped_rows=estimate.report.problem_count,
            models=[model.name for model in estimate.models],
            input_tokens=estimate.input.total,
            output_tokens=estimate.output_tokens,
            answers=AnswersExpected.model_validate(estimate.answers, from_attributes=True),
            cost=estimate.cost,
            least_seconds=estimate.duration.seconds if estimate.duration else None,
        )


class IntervalShown(Shown):
    """A figure of the whole batch, with a 90% interval."""

    so_far: float = Field(description="What it is so far.", examples=[1279.0])
    estimate: float = Field(description="What it comes to.", examples=[6390.0])
    low: float = Field(description="The interval's lower end.", examples=[6315.0])
    high: float = Field(description="The interval's upper end.", examples=[6462.0])

    @classmethod
    def of(cls, interval: Interval, so_far: float) -> "IntervalShown":
        """Show `interval`."""
        return cls(so_far=so_far, estimate=interval.value, low=interval.low, high=interval.high)


class RowsEstimateShown(Shown):
    """What a batch comes to, from those of its rows that have ended."""

    rows: int = Field(description="Rows.", examples=[200])
    ended: int = Field(description="Rows that have ended.", examples=[40])
    used: int = Field(description="Rows that tell it.", examples=[40])
    models: list[str] = Field(description="`credential/model` of the version.", examples=[["openai/gpt-4o-mini"]])
    input_tokens: IntervalShown = Field(description="Tokens of the input.")
    output_tokens: IntervalShown = Field(description="Tokens of the output.")
    cost: IntervalShown | None = Field(description="US dollars; null where a model has no price.")
    prompt_ratio: float = Field(description="Counted tokens of prompts to those estimated.", examples=[1.02])
    least_seconds: float | None = Field(description="What the rest takes at least, by the limits.", examples=[24.0])

    @classmethod
    def of(cls, estimate: RowsEstimate) -> "RowsEstimateShown":
        """Show `estimate`."""
        batch, totals = estimate.batch, estimate.totals
        return cls(
            rows=batch.total,
            ended=batch.done,
            used=estimate.ended,
            models=[model.name for model in estimate.models],
            input_tokens=IntervalShown.of(totals.input_tokens, batch.input_tokens),
            output_tokens=IntervalShown.of(totals.output_tokens, batch.output_tokens),
            cost=IntervalShown.of(totals.cost, float(batch.cost)) if estimate.has_prices else None,
            prompt_ratio=totals.ratio,
            least_seconds=estimate.duration.seconds if estimate.duration else None,
        )


@routes.post(
    "/estimates",
    scopes=READ,
    shows=PromptEstimateShown,
    in_transaction=False,
    summary="Estimate rows",
    takes_long=True,
    extra=form_or_json(RowsForm, RowsBody),
)
def estimate_rows(caller: Caller, request: HttpRequest) -> PromptEstimateShown:
    """Say what rows will take, from their prompts alone; nothing is created and nothing is called.

    The body is that of a new batch. A pilot (`POST /batches/{id}/pilot`) tells more.
    """
    if is_multipart(request):
        form, upload = read_form(request, RowsForm)
        with upload_path(upload, form.format) as path:
            return _estimated(caller, form, path)
    body = read_json(request, RowsBody)
    with source_path(caller.user, body) as path:
        return _estimated(caller, body, path)


@routes.get(
    "/batches/{batch_id}/estimate", scopes=READ, shows=RowsEstimateShown, summary="Estimate a batch", takes_long=True
)
def estimate_batch_(caller: Caller, batch_id: BatchId) -> RowsEstimateShown:
    """Say what a batch comes to, from at least 5 of its rows that have ended. Reads all rows."""
    return RowsEstimateShown.of(estimate_batch(BatchManager(caller.user).get(batch_id)))


def _estimated(caller: Caller, rows: Rows, path: Path) -> PromptEstimateShown:
    version = get_version(caller.user, rows.agent)
    return PromptEstimateShown.of(estimate_file(caller.user, version, path, skip_bad_rows=rows.skip_bad_rows))
