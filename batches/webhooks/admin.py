"""The admin of webhooks: facts, to be read; deliveries can be sent again."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from unfold.admin import TabularInline

from batches.models.webhook import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from workers.admin_base import FactsAdmin
from workers.errors import InvalidInput

from .services import resend


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(FactsAdmin):
    """Endpoints."""

    list_display = ("id", "owner", "url", "events", "is_active", "disabled_reason", "failing_since", "created_at")
    list_display_links = ("id", "url")
    list_filter = ("is_active",)
    list_select_related = ("owner",)
    search_fields = ("=id", "url")


class WebhookAttemptInline(TabularInline):  # type: ignore[misc]
    """The attempts at a delivery."""

    model = WebhookAttempt
    fields = ("number", "started_at", "latency_ms", "status", "error", "response")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may."""
        return False


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(FactsAdmin):
    """Deliveries."""

    list_display = ("id", "endpoint", "event_type", "event_id", "state", "attempts", "next_attempt_at", "created_at")
    list_filter = ("state", "event_type")
    list_select_related = ("endpoint",)
    search_fields = ("=id", "=event_id")
    ordering = ("-id",)
    long_fields = ("payload",)
    raw_id_fields = ("endpoint",)
    inlines = (WebhookAttemptInline,)
    actions = ("send_again",)

    @admin.action(description="Send again", permissions=["send_again"])
    def send_again(self, request: HttpRequest, queryset: Any) -> None:
        """Send the chosen deliveries again."""
        for delivery in queryset.select_related("endpoint"):
            try:
                resend(delivery)
            except InvalidInput as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.message_user(request, f"Delivery {delivery.pk} is sent again.")

    def has_send_again_permission(self, request: HttpRequest) -> bool:
        """Who may change deliveries by their permissions, though nobody may write one by hand."""
        user: Any = request.user
        return bool(user.has_perm("batches.change_webhookdelivery"))


@admin.register(WebhookAttempt)
class WebhookAttemptAdmin(FactsAdmin):
    """Attempts at deliveries."""

    list_display = ("id", "delivery", "number", "started_at", "latency_ms", "status", "error")
    search_fields = ("=delivery__id",)
    ordering = ("-id",)
    raw_id_fields = ("delivery",)
