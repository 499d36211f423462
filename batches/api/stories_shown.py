"""What the route of a run's timeline shows."""

from datetime import datetime
from typing import Any

from pydantic import Field

from agents.api.shown import TokensUsed
from batches.models import Attempt, RunEvent
from batches.stories import RunStory
from batches.stories.moments import Moment, Said
from credentials.api.native import Shown
from workers.errors import NotFound


class AttemptTold(Shown):
    """One try of a run by one worker."""

    number: int = Field(description="From 1.", examples=[1])
    outcome: str = Field(description="How it ended.", examples=["succeeded"])
    model: str = Field(description="`credential/model` that answered.", examples=["openai/gpt-4o-mini"])
    worker: str = Field(description="The worker process.")
    started_at: datetime | None = Field(description="When it began.")
    finished_at: datetime = Field(description="When it ended.")
    latency_ms: int | None = Field(description="Milliseconds.", examples=[790])
    first_token_ms: int | None = Field(description="Milliseconds to the first token.")
    steps: int = Field(description="Model calls.", examples=[1])
    input_tokens: int = Field(description="Tokens of the input.", examples=[120])
    output_tokens: int = Field(description="Tokens of the output.", examples=[10])
    cached_tokens: int = Field(description="Of the input, from the provider's cache.", examples=[0])
    reasoning_tokens: int = Field(description="Of the output, thought.", examples=[0])
    cost: float = Field(description="US dollars.", examples=[0.0000021])
    request_id: str = Field(description="The provider's id of the last call.")
    error_code: str | None = Field(description="Why it failed.", examples=[None])
    error_message: str | None = Field(description="The same for people.")

    @classmethod
    def of(cls, attempt: Attempt) -> "AttemptTold":
        """Show `attempt`."""
        values = {name: getattr(attempt, name) for name in cls.model_fields}
        return cls(**values | {"cost": float(attempt.cost)})


class EventTold(Shown):
    """A stored event."""

    attempt: int = Field(description="Number of the attempt.", examples=[1])
    kind: str = Field(description="What happened.", examples=["step"])
    data: dict[str, Any] = Field(description="What is known of it.")
    created_at: datetime = Field(description="When.")

    @classmethod
    def of(cls, event: RunEvent) -> "EventTold":
        """Show `event`."""
        return cls(**{name: getattr(event, name) for name in cls.model_fields})


class MomentTold(Shown):
    """Something that took time in a run, or happened at a time."""

    kind: str = Field(description="waiting, attempt, call, tool, rejected or failed_over.", examples=["call"])
    attempt: int = Field(description="Number of the attempt.", examples=[1])
    start: float = Field(description="Seconds from the run's creation.", examples=[0.2])
    seconds: float | None = Field(description="How long it took; null: a point in time.", examples=[0.79])
    name: str = Field(description="The model, or the tool.")
    detail: str = Field(description="How it ended.")
    step: int = Field(description="Which model call of the attempt, from 1.", examples=[1])
    calls: int = Field(description="How many model calls it stands for.", examples=[1])
    usage: TokensUsed = Field(description="Its tokens.")
    first_token: float | None = Field(description="Seconds to the first token.")
    is_error: bool = Field(description="Whether it failed.")
    is_cached: bool = Field(description="Whether a stored answer served it.")

    @classmethod
    def of(cls, moment: Moment) -> "MomentTold":
        """Show `moment`."""
        values = {name: getattr(moment, name) for name in cls.model_fields}
        return cls(**values | {"usage": TokensUsed.of(moment.usage)})


class ToolCalled(Shown):
    """A tool that the model called."""

    id: str = Field(description="The call's id.")
    name: str = Field(description="The tool.", examples=["calculator"])
    arguments: str = Field(description="JSON.")


class Attached(Shown):
    """An image or a file of a message."""

    label: str = Field(description="Its name or address, without its bytes.")
    characters: int = Field(description="Its size.", examples=[20_000])


class Message(Shown):
    """A message as the model saw it, or said it."""

    role: str = Field(description="system, user, assistant or tool.", examples=["user"])
    text: str | None = Field(description="Null where it was not kept.")
    step: int = Field(description="The call that it came from or after; 0: what a run begins with.", examples=[0])
    tool_calls: list[ToolCalled] = Field(description="Tools that the model called.")
    tool_call_id: str | None = Field(description="The call that it answers.")
    name: str = Field(description="The tool that answers.")
    attachments: list[Attached] = Field(description="Images and files.")
    is_clipped: bool = Field(description="Whether the text was cut.")

    @classmethod
    def of(cls, said: Said) -> "Message":
        """Show `said`."""
        values = {name: getattr(said, name) for name in cls.model_fields}
        calls = [ToolCalled(id=call.id, name=call.name, arguments=call.arguments) for call in said.tool_calls]
        files = [Attached(label=file.label, characters=file.characters) for file in said.attachments]
        return cls(**values | {"tool_calls": calls, "attachments": files})


class RunTold(Shown):
    """What happened in a run."""

    run: int = Field(description="The run's id.", examples=[4531764112593337])
    attempts: list[AttemptTold] = Field(description="In order.")
    events: list[EventTold] = Field(description="In order.")
    timeline: list[MomentTold] = Field(description="What took time, and the waiting between.")
    messages: list[Message] = Field(description="The conversation of the attempt.")
    messages_problem: str | None = Field(description="Why the messages could not be made again.", examples=[None])

    @classmethod
    def of(cls, story: RunStory, attempt: int | None) -> "RunTold":
        """Show `story`; timeline and messages of one attempt where `attempt` says which. Raises NotFound for none."""
        if attempt is not None and attempt not in story.said:
            raise NotFound(f"Run {story.run.pk} has no attempt {attempt}.")
        return cls(
            run=story.run.pk,
            attempts=[AttemptTold.of(made) for made in story.attempts],
            events=[EventTold.of(event) for event in story.events],
            timeline=[MomentTold.of(moment) for moment in story.moments(attempt)],
            messages=[Message.of(said) for said in story.conversation(attempt)],
            messages_problem=story.problem or None,
        )
