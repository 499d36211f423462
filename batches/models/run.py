"""A run, its attempts and its events.

pending ─┐  claim   ┌─ transient error, handed back, crashed ─> pending | queued
queued ──┴─> running ┤
                    └─> succeeded | failed | cancelled | expired

A waiting run with a `crash_slice` is a suspect: a process died with it in its hands, so it runs only in
quarantine (batches.execution.suspects).
"""

from typing import Any

import orjson
from django.conf import settings
from django.db import models
from django.db.models import Q

from agents.models import AgentVersion
from batches.ids import batch_id_range
from batches.states import RunState
from credentials.querysets import OwnedQuerySet

from .batch import Batch, InputKind
from .fields import RowIdField
from .lease import Lease


class RunQuerySet(OwnedQuerySet["Run"]):
    """Runs, filtered by their owner."""

    def of_batch(self, batch_id: int) -> "RunQuerySet":
        """Return a batch's runs by their range of ids, which is the primary key's order and the input's order."""
        first, after = batch_id_range(batch_id)
        return self.filter(id__gte=first, id__lt=after)

    def singles(self) -> "RunQuerySet":
        """Return the runs without a batch."""
        return self.filter(batch=None)


class Run(models.Model):
    """One input and its one result. The id says the place in the batch (see batches.ids)."""

    id = RowIdField(primary_key=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="runs", db_index=False)
    batch = models.ForeignKey(
        Batch, null=True, blank=True, on_delete=models.CASCADE, related_name="runs", db_index=False
    )
    index = models.PositiveIntegerField(default=0, help_text="Place in the input, from 0.")
    custom_id = models.CharField(max_length=255, null=True, blank=True)
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        related_name="children",
        db_index=False,
        db_constraint=False,
    )
    agent_version = models.ForeignKey(AgentVersion, on_delete=models.PROTECT, related_name="runs", db_index=False)
    input_kind = models.CharField(max_length=10, choices=InputKind.choices, default=InputKind.COLUMNS)
    # Text, not jsonb: the columns keep their order and numbers their digits, and an export passes it on unparsed.
    input_json = models.TextField(help_text="The columns or the chat body, as JSON.")

    use_cache = models.BooleanField(
        default=True, db_default=True, help_text="Whether a stored answer may serve it, where its agent has a cache."
    )

    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.PENDING)
    attempt = models.PositiveIntegerField(default=0, help_text="Number of the latest attempt.")
    lease = models.ForeignKey(
        Lease,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        related_name="runs",
        db_index=False,
        db_constraint=False,
    )
    token = models.BigIntegerField(null=True, blank=True, editable=False, help_text="Fences off who lost the lease.")
    tries = models.PositiveSmallIntegerField(default=0, help_text="Transient failures that cost a try.")
    crashes = models.PositiveSmallIntegerField(default=0, help_text="Worker processes that died holding it.")
    crash_slice = models.PositiveIntegerField(
        null=True, blank=True, help_text="How many runs were in the hands of the process that died with it last."
    )
    not_before = models.DateTimeField(null=True, blank=True)

    reserved_cost = models.DecimalField(max_digits=18, decimal_places=9, default=0)
    cost = models.DecimalField(max_digits=18, decimal_places=9, default=0, help_text="US dollars, every attempt.")
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cached_tokens = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Of the input, from the provider's cache."
    )
    reasoning_tokens = models.PositiveIntegerField(default=0, db_default=0, help_text="Of the output, thought.")
    model = models.CharField(
        max_length=301, null=True, blank=True, help_text="credential/model that answered, where the agent has a pool."
    )
    is_cached = models.BooleanField(default=False, db_default=False, help_text="Answered from the store of answers.")
    latency_ms = models.PositiveIntegerField(null=True, blank=True, help_text="Of the attempt that ended it.")
    output = models.TextField(null=True, blank=True)
    parsed = models.JSONField(null=True, blank=True)
    completion = models.JSONField(
        null=True, blank=True, help_text="What the last answer held beside its text: finish_reason, tool_calls, ..."
    )
    error_code = models.CharField(max_length=30, null=True, blank=True)
    error_message = models.TextField(null=True, blank=True)

    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["batch", "id"], name="run_pending", condition=Q(state="pending")),
            models.Index(fields=["id"], name="run_queued", condition=Q(state="queued")),
            models.Index(fields=["lease"], name="run_held", condition=Q(state="running")),
            # By IS NULL alone: SQLite does not see that a list of states in a query is that of an index.
            models.Index(
                fields=["crash_slice", "id"],
                name="run_suspect",
                condition=Q(crash_slice__isnull=False, finished_at__isnull=True),
            ),
            models.Index(fields=["batch", "error_code", "id", "state"], name="run_failed", condition=Q(state="failed")),
            models.Index(fields=["batch", "custom_id"], name="run_custom_id", condition=Q(custom_id__isnull=False)),
            models.Index(fields=["owner", "-id"], name="run_single", condition=Q(batch__isnull=True)),
            models.Index(fields=["agent_version", "-id"], name="run_single_agent", condition=Q(batch__isnull=True)),
            models.Index(fields=["parent"], name="run_child", condition=Q(parent__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"

    @property
    def input(self) -> Any:
        """The columns (a dict) or the chat body (a dict with `messages`)."""
        return orjson.loads(self.input_json)


class AttemptOutcome(models.TextChoices):
    """How an attempt ended. Stale: its result came after the run had been given to another attempt, or ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRIED = "retried"
    HANDED_BACK = "handed_back"
    CRASHED = "crashed"
    CANCELLED = "cancelled"
    STALE = "stale"


class AttemptQuerySet(OwnedQuerySet["Attempt"]):
    """Attempts, visible to who sees the run."""

    owner_path = "run__owner"


class Attempt(models.Model):
    """One try of a run by one worker, with what it cost. Written when it ends; never changed but by a late result."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    number = models.PositiveIntegerField()
    outcome = models.CharField(max_length=12, choices=AttemptOutcome.choices)
    worker = models.CharField(max_length=100, blank=True)
    model = models.CharField(max_length=301, blank=True, help_text="credential/model that answered.")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField()
    latency_ms = models.PositiveIntegerField(null=True, blank=True)
    first_token_ms = models.PositiveIntegerField(null=True, blank=True)
    steps = models.PositiveSmallIntegerField(default=0)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cached_tokens = models.PositiveIntegerField(default=0, db_default=0)
    reasoning_tokens = models.PositiveIntegerField(default=0, db_default=0)
    cost = models.DecimalField(max_digits=18, decimal_places=9, default=0)
    request_id = models.CharField(max_length=200, blank=True, help_text="The provider's id of the last call.")
    error_code = models.CharField(max_length=30, null=True, blank=True)
    error_message = models.TextField(null=True, blank=True)

    objects = AttemptQuerySet.as_manager()

    class Meta:
        ordering = ["run", "number"]
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="attempt_number")]

    def __str__(self) -> str:
        return f"attempt {self.number} of run {self.run_id}"


class RunEventKind(models.TextChoices):
    """What happened in a run."""

    STEP = "step"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    RETRY = "retry"
    REJECTED = "rejected"
    FAILED_OVER = "failed_over"
    ERROR = "error"
    STATE = "state"


class RunEventQuerySet(OwnedQuerySet["RunEvent"]):
    """Events, visible to who sees the run."""

    owner_path = "run__owner"


class RunEvent(models.Model):
    """Something that happened in a run and that a person may want to read tomorrow."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events", db_index=False)
    attempt = models.PositiveIntegerField(default=0)
    kind = models.CharField(max_length=20, choices=RunEventKind.choices)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    objects = RunEventQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["run", "id"], name="run_event_run")]

    def __str__(self) -> str:
        return f"{self.kind} of run {self.run_id}"
