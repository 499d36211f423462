"""The admin of batches, runs, attempts, events and leases: facts, to be read."""

from django.contrib import admin

from workers.admin_base import FactsAdmin

from .models import Attempt, Batch, File, Leadership, Lease, Run, RunEvent, StoredAnswer
from .webhooks import admin as webhooks_admin

__all__ = ["webhooks_admin"]


@admin.register(Batch)
class BatchAdmin(FactsAdmin):
    """Batches."""

    list_display = ("id", "name", "state", "agent_version", "total", "succeeded", "failed", "cost", "created_at")
    list_display_links = ("id", "name")
    list_filter = ("state", "priority")
    list_select_related = ("agent_version__agent",)
    search_fields = ("=id", "name")
    ordering = ("-id",)


@admin.register(Run)
class RunAdmin(FactsAdmin):
    """Runs, of batches and single."""

    list_display = ("id", "state", "batch", "index", "agent_version", "attempt", "error_code", "cost", "finished_at")
    list_filter = ("state",)
    list_select_related = ("agent_version__agent", "batch")
    search_fields = ("=id",)
    ordering = ("-id",)
    long_fields = ("input_json", "output", "parsed", "error_message")


@admin.register(Attempt)
class AttemptAdmin(FactsAdmin):
    """Attempts at runs."""

    list_display = ("id", "run", "number", "outcome", "model", "error_code", "latency_ms", "cost", "finished_at")
    list_filter = ("outcome",)
    # Not ordered by run: only the primary key is certain to be walked from its end.
    ordering = ("-id",)
    search_fields = ("=id", "=run__id")
    long_fields = ("error_message",)
    raw_id_fields = ("run",)


@admin.register(RunEvent)
class RunEventAdmin(FactsAdmin):
    """Events of runs."""

    list_display = ("id", "run", "attempt", "kind", "created_at")
    list_filter = ("kind",)
    ordering = ("-id",)
    search_fields = ("=id", "=run__id")
    long_fields = ("data",)


@admin.register(Lease)
class LeaseAdmin(FactsAdmin):
    """Leases of worker processes."""

    list_display = ("id", "process", "batch", "created_at", "expires_at", "released_at")
    list_select_related = ("batch",)
    search_fields = ("=id", "process")
    ordering = ("-id",)


@admin.register(Leadership)
class LeadershipAdmin(FactsAdmin):
    """Which process does the maintenance."""

    list_display = ("name", "holder", "expires_at")


@admin.register(StoredAnswer)
class StoredAnswerAdmin(FactsAdmin):
    """Answers that serve identical requests."""

    list_display = ("key", "credential", "bytes", "created_at", "expires_at")
    list_select_related = ("credential",)
    search_fields = ("=key",)
    ordering = ("-created_at",)
    long_fields = ("answer_json",)


@admin.register(File)
class FileAdmin(FactsAdmin):
    """Uploaded files: what is known of them, not what they hold."""

    list_display = ("id", "filename", "purpose", "bytes", "owner", "created_at", "expires_at", "deleted_at")
    list_filter = ("purpose",)
    list_select_related = ("owner",)
    search_fields = ("=id", "filename")
    ordering = ("-id",)
