"""The route that tries an agent out."""

from functools import partial
from typing import Any, Literal

from pydantic import Field

from agents.messages import build_messages
from agents.selectors import get_version
from agents.services import provider_config, require_runnable, spec_of
from agents.trying import Outcome, try_out
from credentials.api.callers import Caller
from credentials.api.native import Given, Later, Routes, Shown
from workers.errors import WorkError

from .given import Slug
from .shown import Failure, TokensUsed

routes = Routes("Agents")


class Trial(Given):
    """What to try an agent with."""

    version: int | None = Field(None, ge=1, lt=10**9, description="By default the current one.", examples=[3])
    input: dict[str, Any] = Field(description="The columns, or a chat body.", examples=[{"text": "Tack!"}])
    input_kind: Literal["columns", "chat"] = Field("columns", description="What `input` is.")


class TrialShown(Shown):
    """How a trial ended, and what it used, also where it failed."""

    status: Literal["succeeded", "failed"] = Field(description="How it ended.", examples=["succeeded"])
    output: str | None = Field(description="The answer's text.", examples=["Swedish"])
    parsed: Any = Field(description="The answer by its schema, or the vector of an embedding.")
    error: Failure | None = Field(description="Why it failed.")
    usage: TokensUsed = Field(description="Tokens of all calls.")
    cost: float = Field(description="US dollars.", examples=[0.0000021])
    latency_ms: int = Field(description="Milliseconds.", examples=[790])
    steps: int = Field(description="Model calls.", examples=[1])

    @classmethod
    def of(cls, outcome: Outcome) -> "TrialShown":
        """Show `outcome`."""
        error = outcome.error
        return cls(
            status="failed" if error else "succeeded",
            output=outcome.output,
            parsed=outcome.parsed,
            error=Failure.of(error) if error else None,
            usage=TokensUsed.of(outcome.usage),
            cost=float(outcome.cost),
            latency_ms=outcome.latency_ms,
            steps=outcome.steps,
        )


@routes.post("/agents/{slug}/try", scopes="runs:write", shows=TrialShown, summary="Try an agent out")
def try_agent(caller: Caller, slug: Slug, trial: Trial) -> Later:
    """Run an agent once in the web process, as `agents run` does: no worker, nothing stored, no retries.

    It costs what the model costs. Drafts can be tried out, paused and archived agents cannot. A failure of the model
    is part of the answer. Where the caller goes away the call is cut.
    """
    version = get_version(caller.user, slug if trial.version is None else f"{slug}@{trial.version}")
    require_runnable(version, trial=True)
    spec = spec_of(version)
    messages = build_messages(spec, trial.input_kind, trial.input)
    try:
        config = provider_config(version.credential)
    except WorkError as error:
        return Later(partial(_failed, error), TrialShown.of)
    return Later(partial(try_out, spec, messages, version.credential.provider, config), TrialShown.of)


async def _failed(error: WorkError) -> Outcome:
    return Outcome(error=error)
