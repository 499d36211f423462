"""The admin of housekeeping tasks' results, kept by django-celery-results."""

from django.contrib import admin
from django_celery_results.models import GroupResult, TaskResult

from .admin_base import FactsAdmin

# The library registers pages of its own, which look different and count all rows.
admin.site.unregister([TaskResult, GroupResult])


@admin.register(TaskResult)
class TaskResultAdmin(FactsAdmin):
    """Results of tasks."""

    list_display = ("task_id", "task_name", "status", "worker", "date_done")
    list_filter = ("status",)
    search_fields = ("=task_id", "=task_name")
    ordering = ("-id",)
    long_fields = ("result", "traceback", "meta", "task_args", "task_kwargs")


@admin.register(GroupResult)
class GroupResultAdmin(FactsAdmin):
    """Results of groups of tasks."""

    list_display = ("group_id", "date_done")
    search_fields = ("=group_id",)
    ordering = ("-id",)
    long_fields = ("result",)
