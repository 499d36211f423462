"""The colours of states in lists: those of their tones."""

from collections.abc import Callable

from batches.models import DeliveryState
from batches.states import BatchState, RunState
from credentials.management.colours import TONES


def state_colour(states: type[BatchState] | type[RunState] | type[DeliveryState]) -> Callable[[str], str | None]:
    """Return what colour the text of a state has; None for those that have none."""

    def colour(text: str) -> str | None:
        return TONES.get(states(text).tone.value) if text in states.values else None

    return colour
