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
from .models import ApiToken, Credential, ProviderModel, User
from .services import add_credential, disable_credential, enable_credential, revoke_token, update_credential

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

    list_display = ("name", "prefix", "user", "created_at", "last_used_at", "expires_at", "revoked_at")
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

    def save_model(self, request: HttpRequest, obj: Credential, form: CredentialForm, change: bool) -> None:
        """Store the credential by the same services as the command does; another address clears the key."""
        assert isinstance(request.user, User)
        values = {name: form.cleaned_data[name] for name in form.service_fields}
        saved = (
            self._update(request, request.user, obj, form, values) if change else add_credential(request.user, **values)
        )
        obj.pk = saved.pk
        obj.refresh_from_db()

    def _update(
        self, request: HttpRequest, user: User, obj: Credential, form: CredentialForm, values: dict[str, Any]
    ) -> Credential:
        stored = Credential.objects.get(pk=obj.pk)
        had_key = bool(stored.encrypted_key)
        update_credential(user, stored, **{name: values[name] for name in form.changed_data if name in values})
        if "is_active" in form.changed_data:
            (enable_credential if form.cleaned_data["is_active"] else disable_credential)(stored)
        if had_key and not stored.encrypted_key:
            self.message_user(request, "The address changed, so the key was cleared: type it again.", messages.WARNING)
        return stored


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
        "blocked_until",
    )
    list_filter = ("credential__provider",)
    list_select_related = ("credential",)
    search_fields = ("name", "credential__name")
    autocomplete_fields = ("credential",)
