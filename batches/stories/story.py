"""The whole story of a run, in two queries whatever happened."""

from collections import defaultdict
from dataclasses import dataclass

from django.utils import timezone

from batches.models import Attempt, Run, RunEvent

from .conversations import opening_of, said_in
from .moments import Moment, Said
from .timeline import timeline_of


@dataclass(frozen=True, slots=True)
class RunStory:
    """What happened in a run.

    `first` are the messages that every attempt began with; `problem` says why there are none. `said` holds what
    followed, by attempt number.
    """

    run: Run
    attempts: tuple[Attempt, ...]
    events: tuple[RunEvent, ...]
    timeline: tuple[Moment, ...]
    first: tuple[Said, ...]
    problem: str
    said: dict[int, tuple[Said, ...]]

    def conversation(self, attempt: int | None = None) -> tuple[Said, ...]:
        """Return all messages of an attempt, by default the latest."""
        number = self.attempts[-1].number if attempt is None and self.attempts else attempt
        return (*self.first, *self.said.get(number or 0, ()))

    def moments(self, attempt: int | None = None) -> tuple[Moment, ...]:
        """Return the timeline, or what belongs to one attempt."""
        return tuple(moment for moment in self.timeline if attempt in (None, moment.attempt))


def run_story(run: Run) -> RunStory:
    """Return the story of `run`, whose agent version, agent, credential and batch should be selected with it.

    Two queries: the attempts, the events.
    """
    attempts = tuple(run.attempts.order_by("number"))
    events = tuple(run.events.order_by("id"))
    by_attempt: dict[int, list[RunEvent]] = defaultdict(list)
    for event in events:
        by_attempt[event.attempt].append(event)
    first, problem = opening_of(run)
    said = {attempt.number: said_in(run, attempt, by_attempt[attempt.number]) for attempt in attempts}
    timeline = timeline_of(run, attempts, by_attempt, timezone.now())
    return RunStory(run, attempts, events, timeline, first, problem, said)
