"""What the routes of agents show."""

from datetime import datetime
from typing import Any

from pydantic import Field

from agents.llm.types import Usage
from agents.models import Agent, AgentState, AgentVersion, Operation
from agents.validation import LIMITS, pool_of
from credentials.api.native import Shown
from workers.errors import WorkError
from workers.retry import RetryPolicy

from .given import Limits, PoolMember, Retry

_MODEL = "The model, `credential/model`."


class AgentShown(Shown):
    """An agent."""

    slug: str = Field(description="Its unique name.", examples=["triage"])
    name: str = Field(description="Name to show.", examples=["Ticket triage"])
    description: str = Field(description="What it is for.", examples=[""])
    state: AgentState = Field(description="Where it is in its life.", examples=["active"])
    version: int | None = Field(description="Number of the current version.", examples=[3])
    model: str | None = Field(description=_MODEL, examples=["openai/gpt-4o-mini"])
    owner: str = Field(description="User name of the owner.", examples=["admin"])
    created_at: datetime = Field(description="When it was created.")
    updated_at: datetime = Field(description="When it, or its current version, changed last.")

    @classmethod
    def of(cls, agent: Agent) -> "AgentShown":
        """Show `agent`, whose owner, current version and credential should be selected with it."""
        version = agent.current_version
        return cls(
            slug=agent.slug,
            name=agent.name,
            description=agent.description,
            state=AgentState(agent.state),
            version=version.number if version else None,
            model=f"{version.credential.name}/{version.model}" if version else None,
            owner=agent.owner.username,
            created_at=agent.created_at,
            updated_at=agent.updated_at,
        )


class VersionShown(Shown):
    """All that makes a version what it is. Versions never change."""

    agent: str = Field(description="Slug of the agent.", examples=["triage"])
    version: int = Field(description="Its number, from 1.", examples=[3])
    model: str = Field(description=_MODEL, examples=["openai/gpt-4o-mini"])
    instructions: str = Field(description="The system message.")
    prompt: str = Field(description="A template over the input's columns.", examples=["Sort this: {{ ticket }}"])
    parameters: dict[str, Any] = Field(description="Passed to the model.", examples=[{"temperature": 0}])
    output_schema: dict[str, Any] | None = Field(description="JSON schema of the answer.")
    abilities: list[Any] = Field(description="Tools that run on the server.")
    operation: Operation = Field(description="What it asks of its model.")
    pool: list[PoolMember] = Field(description="Its models where it has several; the first is `model`.")
    attachments: list[str] = Field(description="Columns that hold an image or a file.")
    cache_seconds: int | None = Field(description="How long an answer serves identical requests.")
    limits: Limits = Field(description="What one run may use.")
    retry: Retry = Field(description="When it is tried again.")
    note: str = Field(description="Why this version.")
    created_by: str | None = Field(description="User name of who made it.", examples=["admin"])
    created_at: datetime = Field(description="When it was made.")

    @classmethod
    def of(cls, version: AgentVersion) -> "VersionShown":
        """Show `version`, whose agent, credential and maker should be selected with it, and its pool fetched."""
        limits = {name: getattr(version, name) for name in LIMITS}
        retry = RetryPolicy.parse(version.retry).as_dict()
        return cls(
            agent=version.agent.slug,
            version=version.number,
            model=f"{version.credential.name}/{version.model}",
            instructions=version.instructions,
            prompt=version.prompt,
            parameters=version.parameters,
            output_schema=version.output_schema,
            abilities=version.abilities,
            operation=Operation(version.operation),
            pool=[PoolMember(model=entry.name, weight=entry.weight) for entry in pool_of(version)],
            attachments=version.attachments,
            cache_seconds=version.cache_seconds,
            limits=Limits.model_construct(**limits),
            retry=Retry.model_construct(**retry),
            note=version.note,
            created_by=version.created_by.username if version.created_by else None,
            created_at=version.created_at,
        )


class Difference(Shown):
    """A field in which two versions differ."""

    field: str = Field(description="Its name, as in a document.", examples=["instructions"])
    before: Any = Field(description="The value of the first.")
    after: Any = Field(description="The value of the second.")
    lines: list[str] = Field(description="The same as lines of a unified diff.")


class Differences(Shown):
    """How two versions differ."""

    before: str = Field(description="The first version.", examples=["triage@1"])
    after: str = Field(description="The second version.", examples=["triage@2"])
    changes: list[Difference] = Field(description="Empty where they do not differ.")


class TokensUsed(Shown):
    """Tokens."""

    input_tokens: int = Field(description="Of the input.", examples=[120])
    output_tokens: int = Field(description="Of the output.", examples=[10])
    total_tokens: int = Field(description="Both.", examples=[130])
    cached_tokens: int = Field(description="Of the input, from the provider's cache.", examples=[0])
    reasoning_tokens: int = Field(description="Of the output, thought.", examples=[0])

    @classmethod
    def of(cls, usage: Usage) -> "TokensUsed":
        """Show `usage`."""
        return cls(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            total_tokens=usage.input_tokens + usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            reasoning_tokens=usage.reasoning_tokens,
        )


class Failure(Shown):
    """Why something failed."""

    code: str = Field(description="The error code.", examples=["timeout"])
    category: str = Field(description="transient, permanent or system.", examples=["transient"])
    message: str = Field(description="For people.")

    @classmethod
    def of(cls, error: WorkError) -> "Failure":
        """Show `error`."""
        return cls(code=error.code, category=error.code.category, message=error.message)
