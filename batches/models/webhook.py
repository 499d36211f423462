"""Webhooks: whom to tell of what, what is to be told, and each attempt to tell it.

A delivery: pending ── sent, and answered with 2xx ──> delivered
              │ ^── any other answer, as long as the schedule goes on (batches.webhooks.schedule)
              └── the schedule is over, or the endpoint has gone ──> failed ── sent again by a user ──> pending
"""

from django.conf import settings
from django.db import models
from django.db.models import Q

from batches.states import Tone
from credentials import encryption
from credentials.querysets import OwnedQuerySet

LONGEST_EXCERPT = 1_000


class EventType(models.TextChoices):
    """What can be told."""

    RUN_COMPLETED = "run.completed"
    RUN_FAILED = "run.failed"
    BATCH_COMPLETED = "batch.completed"
    BATCH_FAILED = "batch.failed"
    BATCH_EXPIRED = "batch.expired"
    BATCH_CANCELLED = "batch.cancelled"
    BATCH_PAUSED = "batch.paused"


# Sent when a user asks for it, to any endpoint.
TEST_EVENT = "webhook.test"


class DeliveryState(models.TextChoices):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"

    @property
    def tone(self) -> Tone:
        """The colour of this state."""
        return {"pending": Tone.WAITING, "delivered": Tone.GOOD, "failed": Tone.BAD}[self.value]


class WebhookEndpointQuerySet(OwnedQuerySet["WebhookEndpoint"]):
    """Endpoints, filtered by their owner."""


class WebhookEndpoint(models.Model):
    """An address that is told of its owner's events, and the secret that signs what it is told."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhooks")
    url = models.CharField(max_length=2048)
    events = models.JSONField(default=list, help_text="Types of the events that it is told of.")
    description = models.CharField(max_length=200, blank=True)
    encrypted_secret = models.BinaryField(editable=False)
    key_id = models.CharField(max_length=16, editable=False, help_text="Which encryption key the secret is under.")
    previous_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then the secret before the last rotation signs too."
    )
    is_active = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=200, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True, help_text="No attempt has succeeded since.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = WebhookEndpointQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["owner"], name="webhook_active", condition=Q(is_active=True))]

    def __str__(self) -> str:
        return f"webhook {self.pk}"

    def set_secrets(self, *secrets: str) -> None:
        """Encrypt secrets into this row (unsaved): the one that signs, and the one before it if that signs too."""
        self.encrypted_secret, self.key_id = encryption.encrypt(" ".join(secrets))

    def reveal_secrets(self) -> list[str]:
        """Return the secrets in the clear, the current one first; for signing, and for who has just made one."""
        return encryption.decrypt(bytes(self.encrypted_secret)).split()


class WebhookDeliveryQuerySet(OwnedQuerySet["WebhookDelivery"]):
    """Deliveries, visible to who sees their endpoint."""

    owner_path = "endpoint__owner"


class WebhookDelivery(models.Model):
    """One event on its way to one endpoint. Its event's id is the same in every attempt: receivers tell twins by it."""

    # No constraint: an endpoint that is deleted while a result is stored would undo the result.
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries", db_index=False, db_constraint=False
    )
    event_id = models.CharField(max_length=40)
    event_type = models.CharField(max_length=20)
    # The very text that is signed and sent.
    payload = models.TextField()
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    earlier_attempts = models.PositiveIntegerField(
        default=0, help_text="Attempts before it was sent again, which the schedule does not count."
    )
    next_attempt_at = models.DateTimeField(
        help_text="While it is being sent: when the sender is taken for dead.", null=True, blank=True
    )
    token = models.BigIntegerField(null=True, blank=True, editable=False, help_text="Of who is sending it.")
    created_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True, blank=True)

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "webhook deliveries"
        constraints = [models.UniqueConstraint(fields=["endpoint", "event_id"], name="webhook_delivery_event")]
        indexes = [
            models.Index(fields=["endpoint", "id"], name="webhook_delivery_list"),
            models.Index(
                fields=["endpoint", "next_attempt_at"], name="webhook_delivery_due", condition=Q(state="pending")
            ),
            models.Index(fields=["created_at"], name="webhook_delivery_age"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"


class WebhookAttemptQuerySet(OwnedQuerySet["WebhookAttempt"]):
    """Attempts, visible to who sees their endpoint."""

    owner_path = "delivery__endpoint__owner"


class WebhookAttempt(models.Model):
    """One attempt at a delivery, stored before it is made: without an answer its sender has died, or still waits."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="tries", db_index=False)
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    latency_ms = models.PositiveIntegerField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="HTTP status of the answer.")
    error = models.CharField(max_length=300, blank=True, help_text="Why there was no answer.")
    response = models.CharField(max_length=LONGEST_EXCERPT, blank=True, help_text="The answer's beginning.")

    objects = WebhookAttemptQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="webhook_attempt_number")]

    def __str__(self) -> str:
        return f"attempt {self.number} at {self.delivery_id}"
