"""A batch's summary as text and as data."""

from typing import Any

from agents.models import AgentVersion
from batches.models import Batch
from batches.results import BatchSummary
from batches.states import TERMINAL_BATCH_STATES
from credentials.management.output import one_line

from .progress_line import duration


def batch_facts(batch: Batch) -> dict[str, Any]:
    """Return a batch as JSON-ready data. Costs one query where the agent was not fetched with it."""
    return {
        "id": batch.pk,
        "name": batch.name,
        "state": batch.state,
        "state_reason": batch.state_reason,
        **_agent_facts(batch.agent_version),
        "priority": batch.get_priority_display().lower(),
        "weight": batch.weight,
        "total": batch.total,
        "succeeded": batch.succeeded,
        "failed": batch.failed,
        "cancelled": batch.cancelled,
        "expired": batch.expired,
        "skipped_rows": batch.skipped_rows,
        "input_tokens": batch.input_tokens,
        "output_tokens": batch.output_tokens,
        "cost": float(batch.cost),
        "created_at": batch.created_at,
        "started_at": batch.started_at,
        "finished_at": batch.finished_at,
    }


def _agent_facts(version: AgentVersion | None) -> dict[str, Any]:
    """Return which agent the batch runs; nulls where it is a plain model, or none is known yet."""
    if version is None or version.is_plain:
        return {"agent": None, "version": None}
    return {"agent": version.agent.slug, "version": version.number}


def summary_facts(batch: Batch, summary: BatchSummary) -> dict[str, Any]:
    """Return the batch and its summary as JSON-ready data."""
    latency, counts = summary.latency, summary.counts
    return {
        **batch_facts(batch),
        "wall_seconds": counts.wall_seconds,
        "runs_per_second": counts.runs_per_second,
        "running": counts.states["running"],
        "suspects": counts.suspects,
        "cached": summary.cached,
        "latency_ms": None
        if latency is None
        else {"p50": latency.p50, "p90": latency.p90, "p95": latency.p95, "p99": latency.p99, "mean": latency.mean},
        "errors": [{"code": group.code, "category": group.category, "count": group.count} for group in summary.errors],
    }


def summary_text(batch: Batch, summary: BatchSummary) -> str:
    """Return what a batch came to, as a few lines for a person."""
    counts = summary.counts
    ended = [f"{getattr(batch, name):,} {name}" for name in ("succeeded", "failed", "cancelled", "expired")]
    shown = [text for text in ended if not text.startswith("0 ")] or ["nothing has ended yet"]
    lines = [f"Batch {batch.pk} ({one_line(batch.name)}): {batch.state}"]
    if batch.state_reason:
        lines.append(f"  reason   {one_line(batch.state_reason)}")
    if batch.state not in TERMINAL_BATCH_STATES:
        lines.append(f"  share    {share_text(batch)}")
    if batch.pilot and batch.state not in TERMINAL_BATCH_STATES:
        lines.append(f"  pilot    {rows_text(len(batch.pilot))} run first, alone")
    lines.append(f"  rows     {batch.total:,}: {', '.join(shown)}" + skipped_text(batch))
    if summary.cached:
        lines.append(f"  cached   {rows_text(summary.cached)} answered from the store, at no cost")
    if counts.states["running"] or counts.suspects:
        lines.append(f"  in hand  {counts.states['running']:,} running" + suspects_text(counts.suspects))
    if summary.latency is not None:
        latency = summary.latency
        values = [("p50", latency.p50), ("p90", latency.p90), ("p95", latency.p95), ("p99", latency.p99)]
        lines.append("  latency  " + ", ".join(f"{name} {value / 1000:.2f} s" for name, value in values))
    lines.append(f"  tokens   {batch.input_tokens:,} in, {batch.output_tokens:,} out")
    lines.append(f"  cost     ${batch.cost:,.6f}")
    if counts.wall_seconds and counts.runs_per_second:
        lines.append(f"  speed    {counts.runs_per_second:,.1f} runs/s over {duration(counts.wall_seconds)}")
    lines += [
        f"  failed   {it.count:,} {it.code}, e.g. row {it.index}: {one_line(it.message[:160])}" for it in summary.errors
    ]
    return "\n".join(lines)


def share_text(batch: Batch) -> str:
    """Return what decides on a batch's share of the workers, in words."""
    return f"{batch.get_priority_display().lower()} priority, weight {batch.weight}"


def suspects_text(number: int) -> str:
    """Return how many rows wait to run apart, if any do."""
    return f", {number:,} to run apart since a process died with them" if number else ""


def rows_text(number: int) -> str:
    """Return a number of rows in words: `1 row`, `2,000 rows`."""
    return "1 row" if number == 1 else f"{number:,} rows"


def skipped_text(batch: Batch) -> str:
    """Return how many bad rows were left out, if any were."""
    return f" ({batch.skipped_rows:,} bad rows of the file were skipped)" if batch.skipped_rows else ""
