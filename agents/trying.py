"""Run an agent here and now, in memory: nothing is stored."""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from time import perf_counter
from typing import Any

from agents.events import RunFinished, StepFinished, TextProduced
from agents.llm.client import LLMClient
from agents.llm.providers.base import ProviderConfig
from agents.llm.registry import provider_type
from agents.llm.types import Message, Usage
from agents.routing import own_model
from agents.runner import run_agent
from agents.spec import AgentSpec
from workers.errors import WorkError


@dataclass(slots=True)
class Outcome:
    """How a run ended, and what it used until then, also where it failed."""

    output: str | None = None
    parsed: Any = None
    error: WorkError | None = None
    usage: Usage = field(default_factory=Usage)
    cost: Decimal = Decimal(0)
    steps: int = 0
    latency_ms: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome in the shape of a result record."""
        error = self.error
        return {
            "status": "failed" if error else "succeeded",
            "output": self.output,
            "parsed": self.parsed,
            "error": error
            and {"code": str(error.code), "category": str(error.code.category), "message": error.message},
            "usage": {
                "input_tokens": self.usage.input_tokens,
                "output_tokens": self.usage.output_tokens,
                "total_tokens": self.usage.total_tokens,
                "cached_tokens": self.usage.cached_tokens,
                "reasoning_tokens": self.usage.reasoning_tokens,
            },
            "cost": self.cost,
            "latency_ms": self.latency_ms,
            "steps": self.steps,
        }

    def facts(self) -> str:
        """Return what it used, on one line."""
        cost = f"${self.cost.normalize():f}" if self.cost else "no cost"
        steps = f"{self.steps} step{'' if self.steps == 1 else 's'}"
        usage = self.usage
        parts = [(usage.cached_tokens, "cached"), (usage.reasoning_tokens, "reasoning")]
        more = ", ".join(f"{count:,} {name}" for count, name in parts if count)
        which = f"input + output; {more}" if more else "input + output"
        tokens = f"{usage.input_tokens:,} + {usage.output_tokens:,} tokens ({which})"
        return f"{self.latency_ms:,} ms, {steps}, {tokens}, {cost}"


async def try_out(
    spec: AgentSpec,
    messages: tuple[Message, ...],
    provider: str,
    config: ProviderConfig,
    on_text: Callable[[str], None] | None = None,
) -> Outcome:
    """Run the agent on a client of its own; `on_text` is called with each piece of text where it should stream.

    A WorkError becomes part of the outcome, so that what was spent until then is not lost.
    """
    outcome, started = Outcome(), perf_counter()
    try:
        async with aclosing(LLMClient(provider_type(provider).connect(config))) as client:
            await _drive(spec, messages, client, outcome, on_text)
    except WorkError as error:
        outcome.error = error
    outcome.latency_ms = round((perf_counter() - started) * 1000)
    return outcome


async def _drive(
    spec: AgentSpec,
    messages: tuple[Message, ...],
    client: LLMClient,
    outcome: Outcome,
    on_text: Callable[[str], None] | None,
) -> None:
    async with aclosing(run_agent(spec, messages, own_model(spec, client), stream=on_text is not None)) as events:
        async for event in events:
            match event:
                case TextProduced(text=text) if on_text:
                    on_text(text)
                case StepFinished():
                    outcome.usage += event.completion.usage
                    outcome.cost += event.cost
                    outcome.steps = event.step
                case RunFinished():
                    outcome.output, outcome.parsed = event.output, event.parsed
