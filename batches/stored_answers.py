"""What people do with the store of answers: look at it, empty it."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min, Sum

from credentials.models import Credential, User

from .models import StoredAnswer

_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class StoredAnswers:
    """The answers of one credential: how many, their bytes, and when the oldest and the latest were kept."""

    credential: str
    answers: int
    bytes: int
    oldest: datetime
    latest: datetime


def stored_answers(user: User) -> list[StoredAnswers]:
    """Return what the store holds of each credential that `user` may see, by name. Reads all of it."""
    rows = StoredAnswer.objects.visible_to(user).order_by("credential__name").values_list("credential__name")
    sums = rows.annotate(Count("pk"), Sum("bytes"), Min("created_at"), Max("created_at"))
    return [StoredAnswers(*row) for row in sums]


def forget_answers(credential: Credential) -> int:
    """Forget the answers of a credential, a short transaction at a time; return how many."""
    number = 0
    while keys := list(StoredAnswer.objects.filter(credential=credential).values_list("pk", flat=True)[:_CHUNK]):
        number += StoredAnswer.objects.filter(pk__in=keys).delete()[0]
    return number
