"""Who does what only one process should do: leaderships, each a row that its holder renews before it runs out."""

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from batches.models import Leadership

from .clock import now_plus

LEADERSHIP_SECONDS = 4.0


def lead(holder: str, name: str = "maintenance", seconds: float = LEADERSHIP_SECONDS) -> bool:
    """Take or renew the leadership of `name` for `holder` and `seconds`, and return whether it leads now."""
    mine_or_free = Q(holder=holder) | Q(expires_at__lte=Now())
    row = Leadership.objects.filter(name=name)
    if row.filter(mine_or_free).update(holder=holder, expires_at=now_plus(seconds)):
        return True
    if row.exists():
        return False
    try:
        with transaction.atomic():
            Leadership.objects.create(name=name, holder=holder, expires_at=now_plus(seconds))
    except IntegrityError:
        return False
    return True


def resign(holder: str) -> None:
    """Give up the leadership that `holder` has, if it has it, so that another takes over at once."""
    Leadership.objects.filter(holder=holder).update(expires_at=Now())
