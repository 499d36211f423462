"""Writes of users, credentials, and the limits and prices of models."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypedDict, Unpack

from django.conf import settings
from django.db import IntegrityError, transaction

from workers.errors import InvalidInput

from .blocks import unblock, unblock_after_commit
from .models import Credential, ProviderModel, User
from .providers import check_address, check_provider, needs_key
from .rotation import Rotation, rotate_keys
from .tokens import authenticate_token, create_token, revoke_token
from .validation import check_base_url, check_instance, check_key

__all__ = [
    "CredentialChanges",
    "ModelLimits",
    "Rotation",
    "add_credential",
    "authenticate_token",
    "create_token",
    "disable_credential",
    "enable_credential",
    "ensure_first_superuser",
    "revoke_token",
    "rotate_keys",
    "set_model",
    "unblock",
    "update_credential",
]

FIRST_SUPERUSER = "admin"
_KEY_FIELDS = ("encrypted_key", "key_id", "last_four")


class CredentialChanges(TypedDict, total=False):
    """What may be changed of a credential; what is left out stays."""

    name: str
    provider: str
    key: str
    base_url: str
    organisation: str
    environment: str


class ModelLimits(TypedDict, total=False):
    """Limits and prices (US dollars per 1,000,000 tokens) of a model; None falls back to the defaults."""

    requests_per_minute: int | None
    tokens_per_minute: int | None
    max_concurrency: int | None
    input_price: Decimal | None
    output_price: Decimal | None
    cached_input_price: Decimal | None
    context_window: int | None
    max_output_tokens: int | None


def add_credential(
    user: User,
    *,
    name: str,
    provider: str,
    key: str = "",
    base_url: str = "",
    organisation: str = "",
    environment: str = "",
) -> Credential:
    """Return a new credential of `user`, its key encrypted; `environment` is this deployment's where it is empty.

    Raises InvalidInput that names the field. An empty key is right where the provider or the base URL needs none.
    """
    credential = Credential(owner=user)
    return _store(
        user,
        credential,
        name=name,
        provider=provider,
        key=key,
        base_url=base_url,
        organisation=organisation,
        environment=environment or settings.ARBORETUM_ENV,
    )


def update_credential(user: User, credential: Credential, **changes: Unpack[CredentialChanges]) -> Credential:
    """Store `changes` that `user` makes. Raises InvalidInput that names the field.

    Another provider or base URL clears the key unless it comes with it: who may change the address must not
    be able to have a key sent there that he cannot read (LiteLLM CVE-2024-6587). What the provider told to wait for
    was meant for the old key: with another one, or another address, calls start at once.
    """
    before = _address(credential)
    _store(user, credential, **changes)
    if changes.get("key") or _address(credential) != before:
        unblock_after_commit(credential)
    return credential


def enable_credential(credential: Credential) -> None:
    """Let runs use `credential` again, at once: what the provider told to wait for holds no more."""
    with transaction.atomic():
        _set_active(credential, True)
        unblock_after_commit(credential)


def disable_credential(credential: Credential) -> None:
    """Let no run use `credential` from now on."""
    _set_active(credential, False)


def set_model(credential: Credential, name: str, **limits: Unpack[ModelLimits]) -> ProviderModel:
    """Store limits and prices of a model (`*`: the credential's defaults); what is left out stays.

    Raises InvalidInput that names the field.
    """
    name = name.strip()
    if not name or not name.isprintable():
        raise InvalidInput("model: a name of printable characters is needed, or '*' for the credential's defaults")
    _check_limits(limits)
    check_instance(ProviderModel(credential=credential, name=name, **limits), exclude=["credential"])
    row, _ = ProviderModel.objects.update_or_create(credential=credential, name=name, defaults=limits)
    return row


def ensure_first_superuser() -> tuple[User, bool]:
    """Return the first superuser, and whether he was created: `admin`, who has no password and uses sign-in links.

    Raises InvalidInput where `admin` is somebody else: nobody is promoted by the way.
    """
    existing = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if existing:
        return existing, False
    try:
        with transaction.atomic():
            return User.objects.create_superuser(FIRST_SUPERUSER), True
    except IntegrityError:
        # Another process was first; or the name is taken.
        user = User.objects.get(username=FIRST_SUPERUSER)
    if not (user.is_superuser and user.is_active):
        raise InvalidInput(
            f"There is no active superuser, and '{FIRST_SUPERUSER}' is none: run `manage.py createsuperuser`."
        )
    return user, False


def _store(user: User, credential: Credential, **changes: Unpack[CredentialChanges]) -> Credential:
    before = _address(credential)
    key = check_key(changes["key"]) if "key" in changes else None
    if changes.get("base_url"):
        changes["base_url"] = check_base_url(changes["base_url"])
    fields = [field for field in changes if field != "key"]
    for field in fields:
        setattr(credential, field, changes[field])  # type: ignore[literal-required]
    moved = _address(credential) != before
    if moved:
        check_address(credential.provider, credential.base_url, is_staff=user.is_staff or user.is_superuser)
    if key is not None or moved:
        credential.set_key(key or "")
        fields += _KEY_FIELDS
    _check(credential)
    _save(credential, fields)
    return credential


def _save(credential: Credential, fields: Sequence[str]) -> None:
    """Write `fields` alone to a stored row: workers write others, such as blocked_until, at the same time."""
    try:
        with transaction.atomic():
            credential.save(update_fields=None if credential._state.adding else [*fields, "updated_at"])
    except IntegrityError:
        raise InvalidInput(f"name: there is already a credential called '{credential.name}'") from None


def _address(credential: Credential) -> tuple[str, str]:
    """Return what decides where the key is sent."""
    return credential.provider, credential.base_url


def _check(credential: Credential) -> None:
    check_provider(credential.provider)
    if not credential.organisation.isprintable():
        raise InvalidInput("organisation: only printable characters are allowed")
    # The field's own validator refuses hosts without a dot; check_base_url has looked at it.
    check_instance(credential, exclude=["base_url"])
    if not credential.encrypted_key and needs_key(credential.provider, credential.base_url):
        raise InvalidInput(f"key: the provider '{credential.provider}' needs one")


def _set_active(credential: Credential, active: bool) -> None:
    credential.is_active = active
    credential.save(update_fields=["is_active", "updated_at"])


def _check_limits(limits: Mapping[str, Any]) -> None:
    for field, value in limits.items():
        if field not in ModelLimits.__annotations__:
            raise InvalidInput(f"{field}: no such limit; allowed: {', '.join(ModelLimits.__annotations__)}")
        # The model's validators, which the admin shares, do the rest; they cannot compare NaN.
        if value is not None and not Decimal(value).is_finite():
            raise InvalidInput(f"{field}: must be at least 0")
