"""Users, API tokens, provider credentials, and the limits and prices of models."""

from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

from . import encryption
from .querysets import OwnedQuerySet

# The slash splits `credential/model`, so a credential's name cannot hold one.
name_validator = RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", "Letters, digits, '.', '_' and '-' only.")
# What PostgreSQL's integer and bigint hold; SQLite would take more
# (https://www.postgresql.org/docs/current/datatype-numeric.html).
LARGEST_INTEGER = 2**31 - 1
LARGEST_BIG_INTEGER = 2**63 - 1


def _whole(most: int) -> list[MinValueValidator | MaxValueValidator]:
    """Return the validators of a limit from 1 to `most`."""
    allowed = f"must be a whole number from 1 to {most}"
    return [MinValueValidator(1, allowed), MaxValueValidator(most, allowed)]


def _price() -> list[MinValueValidator]:
    """Return the validators of a price; how large it may be, the field's digits say."""
    return [MinValueValidator(Decimal(0), "must be at least 0")]


class Environment(models.TextChoices):
    """The label that says which deployment a credential is meant for."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"


class User(AbstractUser):
    """A person. Custom from the first migration, so that it can grow."""

    class Meta(AbstractUser.Meta):
        db_table = "credentials_user"


class ApiTokenQuerySet(OwnedQuerySet["ApiToken"]):
    """API tokens, filtered by their user."""

    owner_path = "user"


class ApiToken(models.Model):
    """A token of a user for programs. Only its hash is stored; the visible prefix tells tokens apart."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the token, in hex.")
    scopes = models.JSONField(default=list)
    requests_per_minute = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=_whole(LARGEST_INTEGER),
        help_text="How often it may call the API; empty: as often as the setting says.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="api_token_name")]

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.name})"


class IdempotencyKeyQuerySet(OwnedQuerySet["IdempotencyKey"]):
    """Requests with a key, filtered by who sent them."""

    owner_path = "user"


class IdempotencyKey(models.Model):
    """A request that its sender marked with a key, so that it is carried out once however often it is sent.

    `claim` is drawn anew by who carries it out: an answer is stored under the claim that still holds. `status` is
    NULL until there is an answer; `body` is NULL as well where the answer was too long to keep.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    target = models.TextField(help_text="Method and path.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the body, in hex.")
    claim = models.UUIDField()
    claimed_at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_index=True)

    objects = IdempotencyKeyQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key")]
        indexes = [models.Index(fields=["user", "digest"], name="idempotency_digest")]

    def __str__(self) -> str:
        return f"{self.target} ({self.key})"


class CredentialQuerySet(OwnedQuerySet["Credential"]):
    """Provider credentials, filtered by their owner."""


class Credential(models.Model):
    """A key of a model provider, encrypted at rest."""

    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="credentials")
    name = models.CharField(max_length=100, unique=True, validators=[name_validator])
    provider = models.CharField(max_length=40)
    encrypted_key = models.BinaryField(blank=True, default=b"", editable=False)
    key_id = models.CharField(
        max_length=16, blank=True, editable=False, help_text="Which encryption key the key is encrypted with."
    )
    last_four = models.CharField(max_length=4, blank=True, editable=False)
    # No URLField: it refuses hosts without a dot, such as a container's name; credentials.validation checks it.
    base_url = models.CharField(max_length=500, blank=True)
    organisation = models.CharField(max_length=200, blank=True)
    environment = models.CharField(max_length=20, choices=Environment.choices, default=Environment.DEVELOPMENT)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    blocked_until = models.DateTimeField(
        null=True, blank=True, help_text="The provider told everybody who uses this key to wait until then."
    )

    objects = CredentialQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def set_key(self, key: str) -> None:
        """Encrypt `key` into this row (unsaved) and keep its last four characters; short keys are masked whole."""
        self.encrypted_key, self.key_id = encryption.encrypt(key) if key else (b"", "")
        self.last_four = key[-4:] if len(key) >= encryption.SHORTEST_KEY_SHOWN else ""

    def reveal_key(self) -> str:
        """Return the key in the clear, for a call to the provider and nothing else; empty where there is none."""
        return encryption.decrypt(bytes(self.encrypted_key)) if self.encrypted_key else ""

    @property
    def masked_key(self) -> str:
        """What may be shown of the key."""
        return f"…{self.last_four}" if self.last_four else ("…" if self.encrypted_key else "")


class ProviderModelQuerySet(OwnedQuerySet["ProviderModel"]):
    """Limits and prices, visible to who sees the credential."""

    owner_path = "credential__owner"


class ProviderModel(models.Model):
    """Limits and prices of one model of a credential. The name `*` holds the credential's defaults.

    A null field falls back to the `*` row, then to the provider's own defaults.
    """

    DEFAULT = "*"

    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="models")
    name = models.CharField(max_length=200)
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True, validators=_whole(LARGEST_INTEGER))
    tokens_per_minute = models.PositiveBigIntegerField(null=True, blank=True, validators=_whole(LARGEST_BIG_INTEGER))
    max_concurrency = models.PositiveIntegerField(null=True, blank=True, validators=_whole(LARGEST_INTEGER))
    input_price = models.DecimalField(
        max_digits=12,
        decimal_places=6,
        null=True,
        blank=True,
        validators=_price(),
        help_text="US dollars per 1,000,000 input tokens.",
    )
    output_price = models.DecimalField(
        max_digits=12,
        decimal_places=6,
        null=True,
        blank=True,
        validators=_price(),
        help_text="US dollars per 1,000,000 output tokens.",
    )
    cached_input_price = models.DecimalField(
        max_digits=12,
        decimal_places=6,
        null=True,
        blank=True,
        validators=_price(),
        help_text="US dollars per 1,000,000 input tokens that the provider had in its cache; empty: as other input.",
    )
    context_window = models.PositiveIntegerField(null=True, blank=True, validators=_whole(LARGEST_INTEGER))
    max_output_tokens = models.PositiveIntegerField(null=True, blank=True, validators=_whole(LARGEST_INTEGER))
    blocked_until = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ProviderModelQuerySet.as_manager()

    class Meta:
        ordering = ["credential", "name"]
        constraints = [models.UniqueConstraint(fields=["credential", "name"], name="provider_model_name")]

    def __str__(self) -> str:
        return f"{self.credential}/{self.name}"

    def own_values(self) -> dict[str, Any]:
        """Return the limits and prices that this row sets itself."""
        names = (
            "requests_per_minute",
            "tokens_per_minute",
            "max_concurrency",
            "input_price",
            "output_price",
            "cached_input_price",
            "context_window",
            "max_output_tokens",
        )
        return {name: value for name in names if (value := getattr(self, name)) is not None}
