"""Giving runs back that nobody executes any more, without a try or a crash counted against them."""

from django.db.models import QuerySet
from django.db.models.functions import Now

from batches.models import Attempt, AttemptOutcome, Run
from batches.states import RunState

# One transaction returns at most this many.
RETURNED_ROWS = 500
ENDED_WITHOUT_RESULT = "The lease ended without a result."


def hand_back(held: QuerySet[Run]) -> int:
    """Let running runs wait again, their attempts recorded; return how many. To be called in a transaction.

    The fence closes with their token, so a result that comes after all is refused and its cost kept.
    """
    rows = list(
        held.select_for_update(of=("self",)).order_by("id").values_list("pk", "attempt", "batch_id")[:RETURNED_ROWS]
    )
    for state, is_single in ((RunState.QUEUED, True), (RunState.PENDING, False)):
        ids = [pk for pk, _, batch_id in rows if (batch_id is None) is is_single]
        Run.objects.filter(pk__in=ids).update(state=state, lease=None, token=None)
    Attempt.objects.bulk_create(
        [
            Attempt(
                run_id=pk,
                number=attempt,
                outcome=AttemptOutcome.HANDED_BACK,
                finished_at=Now(),
                error_message=ENDED_WITHOUT_RESULT,
            )
            for pk, attempt, _ in rows
        ],
        ignore_conflicts=True,
    )
    return len(rows)
