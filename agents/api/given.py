"""What the routes of agents take."""

from typing import Annotated, Any, cast

from ninja.params.models import Path
from pydantic import Field

from agents.models import AgentState, Operation
from agents.validation import VersionChanges
from credentials.api.native import Given, PageRequest, Sorting
from workers.retry import RetryStrategy

Slug = Annotated[str, Path(..., description="The agent's slug.", examples=["triage"], max_length=100)]
Number = Annotated[int, Path(..., ge=1, le=10**9 - 1, description="The version's number, from 1.", examples=[3])]
SORTING = Sorting({"slug": "slug", "name": "name", "created_at": "created_at", "updated_at": "updated_at"})
_MODEL = "The model, `credential/model`."


class Limits(Given):
    """What one run may use. Steps and seconds are those of an attempt, tokens and money of all attempts."""

    max_steps: int = Field(10, ge=1, le=1000, description="Model calls, without those that ask again.")
    max_tokens: int | None = Field(
        None, ge=1, le=2**31 - 1, description="Input and output tokens; null: no limit.", examples=[20_000]
    )
    max_seconds: float = Field(600.0, ge=0.1, le=86_400, description="Seconds of an attempt.", examples=[120])
    max_cost: float | None = Field(None, ge=0, lt=1_000_000, description="US dollars; null: no limit.", examples=[0.01])
    max_repairs: int = Field(2, ge=0, le=10, description="How often to ask again when an answer breaks the schema.")


class Retry(Given):
    """What happens after a transient error."""

    strategy: RetryStrategy = Field(RetryStrategy.EXPONENTIAL, description="How the delay grows.")
    max_tries: int = Field(5, ge=1, description="Tries in all.", examples=[5])
    base_seconds: float = Field(1.0, ge=0, description="The first delay.", examples=[1.0])
    max_seconds: float = Field(60.0, ge=0, description="The longest delay.", examples=[60.0])


class PoolMember(Given):
    """One of several models of a version."""

    model: str = Field(description=_MODEL, examples=["openai-eu/gpt-4o"], min_length=3, max_length=301, pattern="/")
    weight: int = Field(1, ge=1, le=100, description="Its share of the calls beside the others.")

    def as_entry(self) -> dict[str, Any]:
        """Return it as `agents.pools` takes it."""
        credential, model = self.model.split("/", 1)
        return {"credential": credential, "model": model, "weight": self.weight}


class VersionContent(Given):
    """What makes a version what it is. What is left out keeps the value of the version before, else its default."""

    credential: str | None = Field(None, description="Name of the credential, where `model` does not say it.")
    model: str | None = Field(
        None,
        description="`credential/model`, or with `credential` the provider's name of the model. Needed unless there is "
        "a pool, of which it is the first member.",
        examples=["openai/gpt-4o-mini"],
    )
    instructions: str | None = Field(None, description="The system message.", examples=["Answer in one word."])
    prompt: str | None = Field(
        None, description="A template over the input's columns.", examples=["Which mood is this? {{ text }}"]
    )
    parameters: dict[str, Any] | None = Field(None, description="Passed to the model.", examples=[{"temperature": 0}])
    output_schema: dict[str, Any] | None = Field(
        None, description="JSON schema of the answer; null: free text.", examples=[{"type": "object"}]
    )
    abilities: list[str] | None = Field(None, description="Tools that run on the server.", examples=[["calculator"]])
    operation: Operation | None = Field(None, description="chat, or embeddings of the prompt.")
    pool: list[PoolMember] | None = Field(None, description="2 to 16 models, or none.", max_length=16)
    attachments: list[str] | None = Field(
        None, description="Columns that hold an image or a file: a data: or https URL.", examples=[["photo"]]
    )
    cache_seconds: int | None = Field(
        None, description="How long an answer serves identical requests; null: never.", examples=[3600]
    )
    limits: Limits | None = Field(None, description="Those that are given change.")
    retry: Retry | None = Field(None, description="Those that are given change.")

    def changes(self) -> VersionChanges:
        """Return what is given as `agents.services` takes it."""
        given = {name: getattr(self, name) for name in VersionContent.model_fields if name in self.model_fields_set}
        for name in ("limits", "retry"):
            if name in given:
                given[name] = given[name].given() if given[name] is not None else {}
        if given.get("pool"):
            given["pool"] = [member.as_entry() for member in given["pool"]]
        if given.get("parameters", {}) is None:
            given["parameters"] = {}
        for name in ("abilities", "attachments"):
            if name in given:
                given[name] = given[name] or []
        if given.get("operation", "") is None:
            del given["operation"]
        model = given.get("model")
        if model is not None and "/" in model and given.get("credential") is None:
            given["credential"], given["model"] = model.split("/", 1)
        return cast(VersionChanges, given)


class NewVersion(VersionContent):
    """The next version of an agent."""

    note: str = Field("", max_length=500, description="Why this version.", examples=["Shorter."])


class NewAgent(NewVersion):
    """A new agent with its version 1."""

    slug: str = Field(
        min_length=1, max_length=100, description="Unique: lower-case letters, digits, `-`, `_`.", examples=["triage"]
    )
    name: str = Field("", max_length=200, description="Name to show.", examples=["Ticket triage"])
    description: str = Field("", max_length=10_000, description="What it is for.")


class AgentChanges(Given):
    """What belongs to an agent and not to a version; what is left out stays."""

    name: str | None = Field(None, max_length=200, description="Name to show.", examples=["Ticket triage"])
    description: str | None = Field(None, max_length=10_000, description="What it is for.")
    state: AgentState | None = Field(
        None, description="active runs; draft can be tried out alone; paused and archived take nothing new."
    )


class AgentFilters(PageRequest):
    """Which agents to list."""

    state: AgentState | None = Field(None, description="Only agents in this state.")
    q: str | None = Field(None, max_length=200, description="Part of the slug, the name or the description.")
    sort: str = Field("slug", description="slug, name, created_at or updated_at; `-` before it: downwards.")
