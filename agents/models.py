"""Agents and their immutable versions."""

from typing import Any

from django.conf import settings
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models

from credentials.models import Credential
from credentials.querysets import OwnedQuerySet
from workers.errors import InvalidInput

slug_validator = RegexValidator(r"^[a-z0-9][a-z0-9_-]*\Z", "Lower-case letters, digits, '-' and '_' only.")


class AgentState(models.TextChoices):
    """Where an agent is in its life."""

    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    ARCHIVED = "archived"


class AgentKind(models.TextChoices):
    """What a row of agents stands for: what a user has made, or a provider's model that is called as it is."""

    AGENT = "agent"
    MODEL = "model"


class AgentQuerySet(OwnedQuerySet["Agent"]):
    """Agents, filtered by their owner."""

    def made_by_users(self) -> "AgentQuerySet":
        """Return the agents that users made; plain models are none of theirs (agents.plain_models)."""
        return self.filter(kind=AgentKind.AGENT)


class Agent(models.Model):
    """What a user calls an agent: a name that stays while its versions come and go."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="agents")
    slug = models.CharField(max_length=100, unique=True, validators=[slug_validator])
    name = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    state = models.CharField(max_length=20, choices=AgentState.choices, default=AgentState.ACTIVE)
    kind = models.CharField(
        max_length=10, choices=AgentKind.choices, default=AgentKind.AGENT, db_default=AgentKind.AGENT, editable=False
    )
    current_version = models.ForeignKey(
        "AgentVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = AgentQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug


class AgentVersionQuerySet(OwnedQuerySet["AgentVersion"]):
    """Versions, visible to who sees the agent. They are never changed in bulk either."""

    owner_path = "agent__owner"

    def update(self, **kwargs: Any) -> int:
        """Refuse: a version is a snapshot."""
        raise InvalidInput("A version of an agent cannot be changed; create a new version.")


class Operation(models.TextChoices):
    """What a version asks of its model."""

    CHAT = "chat"
    EMBEDDINGS = "embeddings"


class AgentVersion(models.Model):
    """An immutable snapshot of what an agent is, so that every result stays explainable."""

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    credential = models.ForeignKey(Credential, on_delete=models.PROTECT, related_name="agent_versions")
    model = models.CharField(max_length=200)
    instructions = models.TextField(blank=True)
    prompt = models.TextField(help_text="Template over the input's columns, e.g. {{ ticket }}.")
    parameters = models.JSONField(default=dict, blank=True, help_text="Passed to the model, e.g. temperature.")
    output_schema = models.JSONField(null=True, blank=True, help_text="JSON schema of the answer.")
    abilities = models.JSONField(default=list, blank=True, help_text='E.g. ["calculator", "now"].')
    operation = models.CharField(
        max_length=20, choices=Operation.choices, default=Operation.CHAT, db_default=Operation.CHAT
    )
    attachments = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="Columns that hold an image or a file: a data: URL or an https URL.",
    )
    cache_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="How long an answer serves identical requests; empty: never."
    )
    max_repairs = models.PositiveSmallIntegerField(
        default=2,
        db_default=2,
        help_text="How often the model is asked again when its answer breaks the output schema.",
    )
    max_steps = models.PositiveIntegerField(default=10, validators=[MinValueValidator(1)])
    max_tokens = models.PositiveIntegerField(
        null=True, blank=True, help_text="Input and output tokens of one run, over all its steps."
    )
    max_seconds = models.FloatField(default=600.0, help_text="Wall-clock time of one attempt.")
    max_cost = models.DecimalField(
        max_digits=12, decimal_places=6, null=True, blank=True, help_text="US dollars that one run may cost."
    )
    retry = models.JSONField(default=dict, blank=True, help_text="Retry policy; see docs/configuration.md.")
    note = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AgentVersionQuerySet.as_manager()

    class Meta:
        ordering = ["agent", "number"]
        constraints = [models.UniqueConstraint(fields=["agent", "number"], name="agent_version_number")]

    def __str__(self) -> str:
        return f"{self.credential}/{self.model}" if self.is_plain else f"{self.agent}@{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store a new version. Raises InvalidInput on an attempt to change a stored one."""
        if not self._state.adding:
            raise InvalidInput(f"{self} cannot be changed; create a new version.")
        super().save(*args, **kwargs)

    @property
    def is_plain(self) -> bool:
        """Whether this is no agent's version, but a provider's model that is called as it is."""
        return self.agent.kind == AgentKind.MODEL


class PoolMemberQuerySet(OwnedQuerySet["PoolMember"]):
    """Members of pools, visible to who sees the agent."""

    owner_path = "version__agent__owner"


class PoolMember(models.Model):
    """One model of a version that has several. The first is the version's own `credential` and `model`.

    A version without a pool has no members. They are written with their version and never changed.
    """

    version = models.ForeignKey(AgentVersion, on_delete=models.CASCADE, related_name="pool")
    place = models.PositiveSmallIntegerField(help_text="From 0.")
    credential = models.ForeignKey(Credential, on_delete=models.PROTECT, related_name="pool_members")
    model = models.CharField(max_length=200)
    weight = models.PositiveSmallIntegerField(default=1, help_text="Its share of the calls beside the others.")

    objects = PoolMemberQuerySet.as_manager()

    class Meta:
        ordering = ["version", "place"]
        constraints = [models.UniqueConstraint(fields=["version", "place"], name="pool_member_place")]

    def __str__(self) -> str:
        return f"{self.credential}/{self.model}"
