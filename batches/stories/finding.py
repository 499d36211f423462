"""A run by what people call it."""

import re

from batches.ids import BATCH_SPAN, SINGLE_BASE, batch_run_id
from batches.models import Run
from credentials.models import User
from workers.errors import InvalidInput, NotFound

_REFERENCE = re.compile(r"(?:([1-9][0-9]{0,9}):)?([0-9]{1,16})", re.ASCII)
_LARGEST_BATCH = SINGLE_BASE // BATCH_SPAN


def find_run(user: User, reference: str) -> Run:
    """Return the run that `reference` names among those that `user` may see, with all that a story reads of it.

    A run is named by its id, or by its batch and its index in it: `12:0`. Raises NotFound where there is none.
    """
    runs = Run.objects.visible_to(user).select_related(
        "batch", "agent_version__agent", "agent_version__credential", "owner"
    )
    run = runs.filter(pk=_run_id(reference)).first()
    if run is None:
        raise NotFound(f"There is no run {reference[:40]}.")
    return run


def _run_id(reference: str) -> int:
    match = _REFERENCE.fullmatch(reference)
    if not match:
        raise InvalidInput(f"A run is named by its id, or BATCH:INDEX for a row of a batch; not {reference[:40]!r}.")
    if match[1] is None:
        return int(match[2])
    try:
        batch_id = int(match[1])
        if batch_id >= _LARGEST_BATCH:
            raise ValueError
        return batch_run_id(batch_id, int(match[2]))
    except ValueError:
        raise NotFound(f"There is no run {reference[:40]}.") from None
