"""What commands tell of a run as JSON-ready data."""

from typing import Any

from batches.models import Run
from batches.stories import RunStory

_OF_ATTEMPTS = (
    *("number", "outcome", "model", "worker", "started_at", "finished_at", "latency_ms", "first_token_ms", "steps"),
    *("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost", "request_id"),
    *("error_code", "error_message"),
)
_OF_EVENTS = ("attempt", "kind", "data", "created_at")


def run_facts(run: Run) -> dict[str, Any]:
    """Return a run as JSON-ready data. Costs queries where agent and credential were not fetched with it.

    `model` is the one that answered; else, as in a result record, the version's own.
    """
    version = run.agent_version
    return {
        "id": run.pk,
        "batch": run.batch_id,
        "index": None if run.batch_id is None else run.index,
        "custom_id": run.custom_id,
        "state": run.state,
        "agent": str(version),
        "model": run.model or f"{version.credential.name}/{version.model}",
        "is_cached": run.is_cached,
        "input": run.input,
        "output": run.output,
        "parsed": run.parsed,
        "error_code": run.error_code,
        "error_message": run.error_message,
        "attempts": run.attempt,
        "latency_ms": run.latency_ms,
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "cached_tokens": run.cached_tokens,
        "reasoning_tokens": run.reasoning_tokens,
        "cost": float(run.cost),
        "created_at": run.created_at,
        "finished_at": run.finished_at,
    }


def story_facts(story: RunStory, attempt: int | None = None) -> dict[str, Any]:
    """Return everything that is known of a run; timeline and messages of one attempt where `attempt` says which."""
    return {
        **run_facts(story.run),
        "attempts": [{name: getattr(made, name) for name in _OF_ATTEMPTS} for made in story.attempts],
        "events": [{name: getattr(event, name) for name in _OF_EVENTS} for event in story.events],
        "timeline": story.moments(attempt),
        "messages": story.conversation(attempt),
        "messages_problem": story.problem or None,
    }
