"""The admin of users, groups, API tokens, provider credentials, and limits and prices."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from workers.admin_base import FactsAdmin, StaffAdmin

from .admin_forms import CredentialForm
from .models import ApiToken, Credential, IdempotencyKey, ProviderModel, User
from .services import disable_credential, enable_credential, revoke_token

admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, StaffAdmin):  # type: ignore[type-arg]
    """People."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, StaffAdmin):
    """Groups of people with permissions in the admin."""


@admin.register(ApiToken)
class ApiTokenAdmin(FactsAdmin):
    """API tokens: made by `manage.py tokens create`, which shows them once; revoked here or there."""

    list_display = ("name", "prefix", "user", "scopes", "created_at", "last_used_at", "expires_at", "revoked_at")
    list_filter = ("revoked_at",)
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__username")
    exclude = ("digest",)
    actions = ("revoke",)

    @admin.action(description="Revoke selected tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Revoke tokens for ever."""
        for token in queryset:
            revoke_token(token)
        self.message_user(request, f"Revoked {len(queryset)} tokens.", messages.SUCCESS)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Who may delete a token may revoke it."""
        return request.user.has_perm("credentials.delete_apitoken")


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(FactsAdmin):
    """Requests that came with an `Idempotency-Key`. The answers themselves, which may hold outputs, are left out."""

    list_display = ("key", "target", "user", "status", "created_at")
    list_select_related = ("user",)
    search_fields = ("=key", "user__username")
    ordering = ("-id",)
    exclude = ("body", "headers", "claim")
    long_fields = ("body", "headers")


@admin.register(Credential)
class CredentialAdmin(StaffAdmin):
    """Provider credentials. A key goes in and never comes out again."""

    form = CredentialForm
    list_display = ("name", "provider", "environment", "masked", "owner", "is_active", "checked_at", "blocked_until")
    list_filter = ("provider", "environment", "is_active")
    list_select_related = ("owner",)
    search_fields = ("name",)
    fields = ("name", "provider", "base_url", "key", "masked", "organisation", "environment", "is_active", "owner")
    fields_of_new = ("name", "provider", "base_url", "key", "organisation", "environment")
    readonly_fields = ("masked", "owner")

    @admin.display(description="Stored key")
    def masked(self, credential: Credential) -> str:
        """What may be shown of the key."""
        return credential.masked_key or "none"

    def get_fields(self, request: HttpRequest, obj: Credential | None = None) -> tuple[str, ...]:
        """Return the fields; a new credential belongs to who adds it, and is active."""
        return self.fields if obj else self.fields_of_new

    def get_form(
        self, request: HttpRequest, obj: Credential | None = None, change: bool = False, **kwargs: Any
    ) -> type[CredentialForm]:
        """Return the form, which stores what it has checked for who asks."""
        form: type[CredentialForm] = super().get_form(request, obj, change, **kwargs)
        assert isinstance(request.user, User)
        form.user = request.user
        return form

    def save_model(self, request: HttpRequest, obj: Credential, form: CredentialForm, change: bool) -> None:
        """Take over what the form has stored; switch the credential on or off."""
        if change and "is_active" in form.changed_data:
            (enable_credential if form.cleaned_data["is_active"] else disable_credential)(form.stored)
        if form.key_was_cleared:
            self.message_user(request, "The address changed, so the key was cleared: type it again.", messages.WARNING)
        obj.pk = form.stored.pk
        obj.refresh_from_db()


@admin.register(ProviderModel)
class ProviderModelAdmin(StaffAdmin):
    """Limits and prices of models."""

    list_display = (
        "__str__",
        "requests_per_minute",
        "tokens_per_minute",
        "max_concurrency",
        "input_price",
        "output_price",
        "cached_input_price",
        "blocked_until",
    )
    list_filter = ("credential__provider",)
    list_select_related = ("credential",)
    search_fields = ("name", "credential__name")
    autocomplete_fields = ("credential",)
