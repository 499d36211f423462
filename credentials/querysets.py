"""Permission as a queryset verb: pages, APIs, streams, exports and commands all filter by `visible_to`."""

from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.db import models

if TYPE_CHECKING:
    from .models import User

M = TypeVar("M", bound=models.Model)


class OwnedQuerySet(models.QuerySet[M]):
    """Rows that belong to somebody. `owner_path` is the lookup from the row to its owner."""

    owner_path = "owner"

    def visible_to(self, user: "User | Any") -> Self:
        """Return the rows that `user` may see: all for a superuser, one's own for others, none for the anonymous."""
        if not user.is_authenticated:
            return self.none()
        if user.is_superuser:
            return self
        return self.filter(**{self.owner_path: user})
