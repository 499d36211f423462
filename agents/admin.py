"""The admin of agents and their versions."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from workers.admin_base import FactsAdmin, StaffAdmin

from .models import Agent, AgentKind, AgentVersion, PoolMember


@admin.register(Agent)
class AgentAdmin(StaffAdmin):
    """Agents. They are created with their first version, by `manage.py agents create`, and archived, not deleted."""

    list_display = ("slug", "name", "state", "current_version", "owner", "updated_at")
    list_filter = ("state",)
    list_select_related = ("current_version__agent", "owner")
    search_fields = ("slug", "name")
    fields = ("slug", "name", "description", "state", "current_version", "owner", "created_at", "updated_at")
    readonly_fields = ("slug", "current_version", "owner", "created_at", "updated_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        """Show what users made: plain models belong to their credential."""
        return super().get_queryset(request).filter(kind=AgentKind.AGENT)

    def has_add_permission(self, request: HttpRequest, obj: Agent | None = None) -> bool:
        """Nobody may: an agent needs a version."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Agent | None = None) -> bool:
        """Nobody may: results name it."""
        return False


@admin.register(AgentVersion)
class AgentVersionAdmin(FactsAdmin):
    """Versions of agents."""

    list_display = ("__str__", "credential", "model", "note", "created_by", "created_at")
    list_filter = ("credential__provider",)
    list_select_related = ("agent", "credential", "created_by")
    search_fields = ("agent__slug", "model")
    ordering = ("-id",)
    long_fields = ("instructions", "prompt", "output_schema")


@admin.register(PoolMember)
class PoolMemberAdmin(FactsAdmin):
    """Models of versions that have several."""

    list_display = ("id", "version", "place", "credential", "model", "weight")
    list_select_related = ("version__agent", "credential")
    search_fields = ("version__agent__slug", "model")
    ordering = ("-id",)
