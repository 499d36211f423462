"""The batch object of OpenAI's API (openai/types/batch.py), from the batch's row alone."""

from datetime import datetime
from typing import Any

from agents.model_names import model_name
from batches.models import Batch
from batches.states import BatchState

from .ids import ERRORS, OUTPUT, batch_id, file_id

_STATUSES = {
    BatchState.VALIDATING: "validating",
    BatchState.READY: "in_progress",
    BatchState.RUNNING: "in_progress",
    BatchState.PAUSED: "in_progress",
    BatchState.FINALIZING: "finalizing",
    BatchState.COMPLETED: "completed",
    BatchState.FAILED: "failed",
    BatchState.CANCELLING: "cancelling",
    BatchState.CANCELLED: "cancelled",
    BatchState.EXPIRED: "expired",
}


def batch_object(batch: Batch) -> dict[str, Any]:
    """Return a batch as JSON. Its version, with agent and credential, is read, so select them with it.

    `paused` and `status_details` are our own: OpenAI's batches cannot be paused.
    """
    succeeded, failed = batch.succeeded, batch.failed + batch.cancelled + batch.expired
    return {
        "id": batch_id(batch.pk),
        "object": "batch",
        "endpoint": batch.endpoint,
        "model": _model(batch),
        "errors": {"object": "list", "data": batch.problems} if batch.problems else None,
        "input_file_id": batch.input_reference,
        "completion_window": batch.completion_window,
        "status": _STATUSES[BatchState(batch.state)],
        "output_file_id": file_id(batch.pk, OUTPUT) if succeeded else None,
        "error_file_id": file_id(batch.pk, ERRORS) if failed else None,
        "created_at": _seconds(batch.created_at),
        **_moments(batch),
        "request_counts": {"total": _total(batch), "completed": succeeded, "failed": failed},
        "usage": usage_object(batch),
        "metadata": batch.metadata or None,
        "paused": batch.state == BatchState.PAUSED,
        "status_details": batch.state_reason or None,
    }


def usage_object(batch: Batch) -> dict[str, Any]:
    """Return the tokens that a batch has taken so far."""
    return {
        "input_tokens": batch.input_tokens,
        "input_tokens_details": {"cached_tokens": batch.cached_tokens},
        "output_tokens": batch.output_tokens,
        "output_tokens_details": {"reasoning_tokens": batch.reasoning_tokens},
        "total_tokens": batch.input_tokens + batch.output_tokens,
    }


def _model(batch: Batch) -> str | None:
    """Return the model of all rows; None where there are several, or none is known yet."""
    return None if batch.agent_version is None or batch.is_mixed else model_name(batch.agent_version)


def _total(batch: Batch) -> int:
    """Return the number of rows; while they are read nobody knows it."""
    return 0 if batch.state == BatchState.VALIDATING else batch.total


def _moments(batch: Batch) -> dict[str, int | None]:
    ended = _seconds(batch.finished_at)
    return {
        "in_progress_at": _seconds(batch.started_at),
        "expires_at": _seconds(batch.expires_at),
        "finalizing_at": _seconds(batch.finalizing_at),
        "completed_at": ended if batch.state == BatchState.COMPLETED else None,
        "failed_at": ended if batch.state == BatchState.FAILED else None,
        "expired_at": ended if batch.state == BatchState.EXPIRED else None,
        "cancelling_at": _seconds(batch.cancelling_at),
        "cancelled_at": ended if batch.state == BatchState.CANCELLED else None,
    }


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
