"""Forms of the admin's pages."""

from collections.abc import Callable
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from workers.errors import InvalidInput

from .models import Credential, User
from .providers import check_provider, needs_key
from .services import add_credential, update_credential
from .validation import check_base_url, check_key


class CredentialForm(forms.ModelForm):  # type: ignore[type-arg]
    """A credential. The key can be typed, and is never shown.

    A valid form has stored it, by the same services as the command does: whatever they refuse stands on the form, also
    what only the writing finds out, such as a name that somebody else took meanwhile.
    """

    user: User
    """Who acts: set on a subclass for each request."""
    stored: Credential
    key_was_cleared = False

    service_fields = ("name", "provider", "key", "base_url", "organisation", "environment")

    key = forms.CharField(
        required=False,
        strip=True,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Empty: the stored key stays. Another provider or base URL clears it unless it is typed again.",
    )
    # Not the model's URL field, which refuses names without a dot (a service of a compose file).
    base_url = forms.CharField(
        required=False,
        label="Base URL",
        max_length=500,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Where the provider's API is, where it is not the provider's own address.",
    )

    class Meta:
        model = Credential
        fields = ("name", "provider", "base_url", "organisation", "environment", "is_active")

    def clean_provider(self) -> str:
        """Return the provider's name, one that there is."""
        provider: str = self.cleaned_data["provider"]
        _checked(check_provider, provider)
        return provider

    def clean_base_url(self) -> str:
        """Return the address without a closing slash."""
        url: str = self.cleaned_data["base_url"]
        return str(_checked(check_base_url, url)) if url else ""

    def clean_key(self) -> str:
        """Return the key as typed."""
        return str(_checked(check_key, self.cleaned_data["key"]))

    def clean(self) -> dict[str, Any]:
        """Ask for a key where the provider needs one and none is kept."""
        values = super().clean() or self.cleaned_data
        moved = {"provider", "base_url"} & set(self.changed_data)
        keeps = bool(self.instance.encrypted_key) and not moved
        provider = values.get("provider")
        if provider and not (values.get("key") or keeps) and needs_key(provider, values.get("base_url") or ""):
            self.add_error("key", f"The provider '{provider}' needs a key.")
        return values

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            self.stored = self._store()
        except InvalidInput as error:
            field, _, _ = str(error).partition(":")
            self.add_error(field if field in self.fields else None, str(error))

    def _store(self) -> Credential:
        values: dict[str, Any] = {name: self.cleaned_data[name] for name in self.service_fields}
        if self.instance._state.adding:
            return add_credential(self.user, **values)
        # Read again: the form's own object holds what was typed already.
        stored = Credential.objects.get(pk=self.instance.pk)
        had_key = bool(stored.encrypted_key)
        update_credential(self.user, stored, **{name: values[name] for name in self.changed_data if name in values})
        self.key_was_cleared = had_key and not stored.encrypted_key
        return stored

    def _get_validation_exclusions(self) -> set[str]:
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded | {"base_url"}


def _checked(check: Callable[[str], Any], value: str) -> Any:
    try:
        return check(value)
    except InvalidInput as error:
        raise forms.ValidationError(str(error)) from None
