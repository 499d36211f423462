"""The overview's figures."""

from dataclasses import dataclass

import redis
from django.db.models import Count, F, Q, Sum

from agents.models import Agent, AgentState
from batches.models import Batch
from batches.states import ACTIVE_BATCH_STATES
from workers.errors import ServerUnavailable
from workers.presence import WorkerPresence, live_workers

from . import Reader
from .batches import active_batches, visible_batches

MOST_IN_PROGRESS = 20
LATEST = 10


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts over everything that the user may see."""

    batches_in_progress: int
    rows_to_go: int
    agents: int
    agents_active: int


@dataclass(frozen=True, slots=True)
class Workers:
    """The live worker processes; `known` is false where Redis could not be asked."""

    known: bool
    live: list[WorkerPresence]

    @property
    def slots(self) -> int:
        """How many runs may be in flight."""
        return sum(worker.slots for worker in self.live)

    @property
    def busy(self) -> int:
        """How many runs are in flight."""
        return sum(worker.busy for worker in self.live)


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the overview shows."""

    figures: Figures
    workers: Workers
    in_progress: list[Batch]
    latest: list[Batch]


def overview(user: Reader) -> Overview:
    """Return what the overview shows to `user`."""
    return Overview(
        figures=figures(user),
        workers=workers(),
        in_progress=active_batches(user, MOST_IN_PROGRESS),
        latest=list(visible_batches(user).exclude(state__in=ACTIVE_BATCH_STATES)[:LATEST]),
    )


def figures(user: Reader) -> Figures:
    """Return the counts over what `user` may see; batches by the index of those in progress."""
    done = F("succeeded") + F("failed") + F("cancelled") + F("expired")
    batches = (
        Batch.objects.visible_to(user)
        .filter(state__in=ACTIVE_BATCH_STATES)
        .aggregate(number=Count("id"), to_go=Sum(F("total") - done))
    )
    agents = (
        Agent.objects.visible_to(user)
        .made_by_users()
        .aggregate(number=Count("id"), active=Count("id", filter=Q(state=AgentState.ACTIVE)))
    )
    return Figures(batches["number"], batches["to_go"] or 0, agents["number"], agents["active"])


def workers() -> Workers:
    """Return the live workers, as far as Redis can tell."""
    try:
        return Workers(True, live_workers())
    except (redis.RedisError, ServerUnavailable, OSError):
        return Workers(False, [])
