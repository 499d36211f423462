"""Estimates as text and as data."""

from typing import Any

from batches.estimating.from_prompts import PromptEstimate
from batches.estimating.from_rows import RowsEstimate
from batches.estimating.interval import Interval
from batches.estimating.prices import Duration, ModelShare
from batches.states import BatchState
from credentials.management.output import money, one_line, table

from .progress_line import duration
from .summary_text import rows_text

_HEADERS = ("", "so far", "whole batch", "90% interval")


def prompt_facts(estimate: PromptEstimate) -> dict[str, Any]:
    """Return an estimate from prompts alone as JSON-ready data."""
    answers = estimate.answers
    return {
        "rows": estimate.report.total,
        "skipped_rows": estimate.report.problem_count,
        "models": [model.name for model in estimate.models],
        "input_tokens": estimate.input.total,
        "output_tokens": estimate.output_tokens,
        "answers": {
            "source": str(answers.source),
            "tokens": answers.tokens,
            "spread": answers.spread,
            "is_limit": answers.is_limit,
        },
        "cost": estimate.cost,
        "least_seconds": _seconds(estimate.duration),
    }


def prompt_text(estimate: PromptEstimate, reference: str) -> str:
    """Return an estimate from prompts alone as a few lines; `reference` is the agent as the user named it."""
    report, rows = estimate.report, estimate.report.total
    lines = [f"{one_line(report.path.name)}: {rows_text(rows)} for {reference} ({_model_names(estimate.models)})"]
    if report.problem_count:
        lines.append(f"  skipped  {report.problem_count:,} bad rows")
    prompts = f"{estimate.input.least:,} to {estimate.input.most:,} a row"
    lines.append(f"  input    {estimate.input.total:,} tokens in prompts, {prompts}")
    lines.append(f"  output   {_answers_text(estimate)}")
    lines.append(f"  cost     {_cost_text(estimate)}")
    lines += _duration_lines(estimate.duration)
    lines.append("From the prompts alone, a call a row. --pilot N runs N of the rows first, for a 90% interval.")
    return "\n".join(lines)


def _answers_text(estimate: PromptEstimate) -> str:
    answers = estimate.answers
    if answers.tokens is None or estimate.output_tokens is None:
        return answers.said
    spread = "" if answers.spread is None else f", spread {answers.spread:,.0f}"
    bound = "at most " if answers.is_limit else ""
    return f"{bound}{estimate.output_tokens:,.0f} tokens, {answers.tokens:,.0f} a row{spread} ({answers.said})"


def _cost_text(estimate: PromptEstimate) -> str:
    if estimate.cost is None:
        return _no_price(estimate.models)
    if estimate.output_tokens is None:
        return f"{money(estimate.cost)} for the input alone"
    return f"at most {money(estimate.cost)}" if estimate.answers.is_limit else money(estimate.cost)


def rows_facts(estimate: RowsEstimate) -> dict[str, Any]:
    """Return an estimate from rows that have ended as JSON-ready data."""
    batch, totals = estimate.batch, estimate.totals
    return {
        "id": batch.pk,
        "state": batch.state,
        "rows": batch.total,
        "ended": batch.done,
        "used": estimate.ended,
        "succeeded": batch.succeeded,
        "failed": batch.failed,
        "models": [model.name for model in estimate.models],
        "input_tokens": _interval_facts(totals.input_tokens, batch.input_tokens),
        "output_tokens": _interval_facts(totals.output_tokens, batch.output_tokens),
        "cost": _interval_facts(totals.cost, float(batch.cost)) if estimate.has_prices else None,
        "prompt_ratio": totals.ratio,
        "least_seconds": _seconds(estimate.duration),
    }


def _interval_facts(interval: Interval, so_far: float) -> dict[str, float]:
    return {"so_far": so_far, "estimate": interval.value, "low": interval.low, "high": interval.high}


def rows_estimate_text(estimate: RowsEstimate) -> str:
    """Return an estimate from rows that have ended as a few lines for a person."""
    batch, totals = estimate.batch, estimate.totals
    ended = f"{estimate.ended:,} of {rows_text(batch.total)}"
    came = f"{batch.succeeded:,} succeeded and {batch.failed:,} failed"
    head = f"Batch {batch.pk} ({one_line(batch.name)}): from {ended}, {came}"
    rows = [
        _line("input tokens", batch.input_tokens, totals.input_tokens),
        _line("output tokens", batch.output_tokens, totals.output_tokens),
    ]
    if estimate.has_prices:
        cost = totals.cost
        interval = f"{money(cost.low)} to {money(cost.high)}"
        rows.append(("cost", money(float(batch.cost)), money(cost.value), interval))
    lines = [head, table(_HEADERS, rows)]
    if not estimate.has_prices:
        lines.append(f"cost: {_no_price(estimate.models)}")
    lines += [line.replace("time    ", "the rest") for line in _duration_lines(estimate.duration)]
    if batch.state == BatchState.PAUSED:
        lines.append(f"What has ended is kept. Run the rest: manage.py batches resume {batch.pk}")
    return "\n".join(lines)


def _line(name: str, so_far: float, whole: Interval) -> tuple[str, ...]:
    return name, f"{so_far:,.0f}", f"{whole.value:,.0f}", f"{whole.low:,.0f} to {whole.high:,.0f}"


def _duration_lines(found: Duration | None) -> list[str]:
    return [] if found is None else [f"  time     at least {duration(found.seconds)}, at {found.limit}"]


def _seconds(found: Duration | None) -> float | None:
    return None if found is None else found.seconds


def _no_price(models: list[ModelShare]) -> str:
    names = ", ".join(model.name for model in models if not model.has_price)
    return f"no price is known of {names}; set one: manage.py models set"


def _model_names(models: list[ModelShare]) -> str:
    return ", ".join(model.name for model in models)
