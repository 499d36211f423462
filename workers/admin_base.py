"""What every admin page of the project shares: nothing on it grows with the number of rows."""

from typing import Any

from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin

MOST_ROWS = 10_000


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts and reaches the first 10,000 rows; filters and search lead to the others.

    A count over 1,000,000 rows takes seconds on PostgreSQL, and so does a page at their end.
    """

    @cached_property
    def count(self) -> int:
        """How many rows there are, at most 10,000."""
        rows = self.object_list
        return rows[:MOST_ROWS].count() if isinstance(rows, models.QuerySet) else min(len(rows), MOST_ROWS)


class StaffAdmin(ModelAdmin):  # type: ignore[misc]
    """An admin page of rows that staff may edit."""

    paginator: Any = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    # Left out of lists: texts that may be megabytes each.
    long_fields: tuple[str, ...] = ()

    def get_queryset(self, request: HttpRequest) -> "models.QuerySet[Any]":
        """Return the rows, in lists without their long texts."""
        rows: models.QuerySet[Any] = super().get_queryset(request)
        match = request.resolver_match
        in_list = match is not None and (match.url_name or "").endswith("_changelist")
        return rows.defer(*self.long_fields) if in_list and self.long_fields else rows


class FactsAdmin(StaffAdmin):
    """An admin page of rows that are facts: they are read, never written by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may."""
        return False
