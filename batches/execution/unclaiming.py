"""Giving back rows that were taken ahead and never started: as if they had never been taken."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from batches.models import Run
from batches.states import RunState

from .claims import ClaimedRun


def unclaim(runs: Sequence[ClaimedRun]) -> int:
    """Let rows wait again that no call was made for, their attempt uncounted; return how many still were ours.

    The token is that of the claim, so a row that was taken away meanwhile is left alone.
    """
    tokens: dict[int, list[int]] = {}
    for run in runs:
        tokens.setdefault(run.token, []).append(run.id)
    with transaction.atomic():
        # Locked in the order of their ids, as by everybody who changes many rows.
        ids = [run.id for run in runs]
        list(Run.objects.filter(pk__in=ids).order_by("id").select_for_update().values_list("pk"))
        return sum(
            Run.objects.filter(pk__in=ids, token=token, state=RunState.RUNNING).update(
                state=RunState.PENDING, attempt=Greatest(F("attempt") - 1, 0), lease=None, token=None
            )
            for token, ids in tokens.items()
        )
