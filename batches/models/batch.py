"""A batch: one agent version over many inputs, with counts that change in the transaction that changes its rows."""

from django.conf import settings
from django.db import models

from agents.models import AgentVersion
from batches.ids import batch_id_range
from batches.states import BatchState, Priority
from credentials.querysets import OwnedQuerySet
from workers.errors import InvalidInput


class InputKind(models.TextChoices):
    """What a run's input is: the columns of a row, or the body of a request to the API (batches.requests)."""

    COLUMNS = "columns"
    CHAT = "chat"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"


class BatchQuerySet(OwnedQuerySet["Batch"]):
    """Batches, filtered by their owner."""


class Batch(models.Model):
    """One file of inputs, fanned out."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="batches")
    name = models.CharField(max_length=200, blank=True)
    agent_version = models.ForeignKey(
        AgentVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="batches",
        help_text="Of its first row. None while the lines of a file that name it are read, or where none is good.",
    )
    source = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="derived", help_text="Made from."
    )
    state = models.CharField(max_length=20, choices=BatchState.choices, default=BatchState.VALIDATING)
    state_reason = models.CharField(max_length=500, blank=True, help_text="Why it is in this state, in words.")
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.NORMAL)
    weight = models.PositiveSmallIntegerField(default=1, help_text="Share of a model beside batches of its priority.")
    max_cost = models.DecimalField(
        max_digits=12, decimal_places=6, null=True, blank=True, help_text="US dollars the batch may cost."
    )

    input_kind = models.CharField(max_length=10, choices=InputKind.choices, default=InputKind.COLUMNS)
    is_mixed = models.BooleanField(default=False, db_default=False, help_text="Its rows may have different versions.")
    columns = models.JSONField(default=list, blank=True, help_text="Names of the input's columns, in file order.")
    input_name = models.CharField(max_length=255, blank=True, help_text="Name of the file.")
    input_file = models.ForeignKey(
        "batches.File", null=True, blank=True, on_delete=models.SET_NULL, related_name="batches", help_text="Made from."
    )
    input_bytes = models.PositiveBigIntegerField(default=0)
    tells_rows = models.BooleanField(
        default=False, db_default=False, help_text="Webhooks are told of each of its rows, not of the batch alone."
    )
    skipped_rows = models.PositiveIntegerField(default=0, help_text="Bad rows that the user chose to leave out.")
    metadata = models.JSONField(default=dict, blank=True)
    endpoint = models.CharField(
        max_length=40, blank=True, db_default="", help_text="What its lines are sent to, where they are requests."
    )
    completion_window = models.CharField(max_length=10, blank=True, db_default="")
    output_expires_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="How long its output can be had as a file; empty: always."
    )
    problems = models.JSONField(null=True, blank=True, help_text="Bad lines, for which it failed.")
    input_reference = models.CharField(
        max_length=200, blank=True, db_default="", help_text="How its creator named the file of its lines."
    )
    reading = models.JSONField(null=True, blank=True, help_text="How far its file was read, while it is.")
    output_expires_at = models.DateTimeField(null=True, blank=True)
    # Known once it has ended; empty as long as nobody has counted.
    output_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    error_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    is_output_deleted = models.BooleanField(default=False, db_default=False)
    is_error_deleted = models.BooleanField(default=False, db_default=False)
    pilot = models.JSONField(
        null=True, blank=True, help_text="Places of the rows that run first, alone, to estimate the whole."
    )

    total = models.PositiveIntegerField(default=0)
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    cancelled = models.PositiveIntegerField(default=0)
    expired = models.PositiveIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cached_tokens = models.PositiveBigIntegerField(default=0, db_default=0)
    reasoning_tokens = models.PositiveBigIntegerField(default=0, db_default=0)
    cost = models.DecimalField(max_digits=18, decimal_places=9, default=0, help_text="US dollars, every attempt.")

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finalizing_at = models.DateTimeField(null=True, blank=True)
    cancelling_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "batches"
        indexes = [
            models.Index(fields=["owner", "-id"], name="batch_owner"),
            models.Index(
                fields=["state"],
                name="batch_active",
                condition=~models.Q(state__in=["completed", "failed", "cancelled", "expired"]),
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"batch {self.pk}"

    @property
    def version(self) -> AgentVersion:
        """The version of its first row. Raises InvalidInput where it has none, since its input was never good."""
        if self.agent_version is None:
            raise InvalidInput(f"Batch {self.pk} has no rows yet; it is {self.state}.")
        return self.agent_version

    @property
    def done(self) -> int:
        """How many rows have ended, in whichever way."""
        return self.succeeded + self.failed + self.cancelled + self.expired

    @property
    def remaining(self) -> int:
        """How many rows have not ended yet."""
        return self.total - self.done

    @property
    def run_ids(self) -> tuple[int, int]:
        """The range of ids of this batch's runs: the first, and the first after them."""
        return batch_id_range(self.pk)
