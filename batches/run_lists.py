"""Runs in lists, by key and by index, however many there are."""

from dataclasses import dataclass
from datetime import UTC, datetime

from agents.selectors import get_agent, parse_reference
from credentials.models import User
from workers.errors import ErrorCode, InvalidInput

from .ids import LATEST_SINGLE, SINGLE_BASE, single_ids_from
from .manager import BatchManager
from .models import Run, RunQuerySet
from .states import RunState

RELATED = ("agent_version__agent", "agent_version__credential")


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs: rows of `batch`, else single runs. `agent` is `slug` or `slug@3`; None does not narrow."""

    batch: int | None = None
    state: str | None = None
    code: str | None = None
    agent: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


def list_runs(user: User, chosen: RunFilter) -> RunQuerySet:
    """Return the runs that `user` may see and that `chosen` means, with agent and credential.

    Raises NotFound for a batch or an agent that is not visible, InvalidInput for times of a batch's rows, which are all
    created at once.
    """
    runs = _of_batch(user, chosen) if chosen.batch is not None else _singles(user, chosen)
    if chosen.code is not None:
        runs = runs.filter(error_code=chosen.code)
        # The index of failed runs serves only who asks for failed ones.
        if chosen.state is None and chosen.code not in (ErrorCode.CANCELLED, ErrorCode.EXPIRED):
            runs = runs.filter(state=RunState.FAILED)
    if chosen.state is not None:
        runs = runs.filter(state=chosen.state)
    if chosen.agent is not None:
        runs = runs.filter(agent_version__in=_versions(user, chosen.agent))
    return runs.select_related(*RELATED)


def _of_batch(user: User, chosen: RunFilter) -> RunQuerySet:
    if chosen.created_after is not None or chosen.created_before is not None:
        raise InvalidInput("created_after: the rows of a batch were created with it; leave the times out")
    batch = BatchManager(user).get(chosen.batch or 0)
    # The batch's own column as well: the index of failed runs begins with it.
    return Run.objects.of_batch(batch.pk).filter(batch=batch)


def _singles(user: User, chosen: RunFilter) -> RunQuerySet:
    """Return single runs. Their ids begin after those of all rows, and tell the time."""
    first = single_ids_from(_utc(chosen.created_after)) if chosen.created_after else SINGLE_BASE
    last = single_ids_from(_utc(chosen.created_before)) if chosen.created_before else LATEST_SINGLE
    return Run.objects.visible_to(user).singles().filter(id__gte=first, id__lt=last)


def _versions(user: User, reference: str) -> list[int]:
    wanted = parse_reference(reference)
    versions = get_agent(user, wanted.slug).versions.values_list("pk", flat=True)
    return list(versions.filter(number=wanted.number) if wanted.number else versions)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
