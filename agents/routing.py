"""Where the calls of a run go: one model, or one of a pool after the other.

The runner asks its route before each call and tells it what came of it. It knows no limits itself: the route's meter
keeps them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agents.llm.client import LLMClient
from agents.llm.types import Price
from agents.metering import Meter, Unmetered
from agents.spec import AgentSpec
from workers.errors import WorkError


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model as it is called and as it is told apart.

    `full` is `credential/model`, `model` the provider's own name; `scope` names the place that answers (provider,
    address, credential): what another place has answered is not this one's answer.
    """

    full: str
    model: str
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """A model that a call may go to: its client, and what its tokens cost."""

    name: ModelName
    client: LLMClient
    price: Price


class Route(Protocol):
    """The models of one run."""

    meter: Meter

    @property
    def names(self) -> Sequence[ModelName]:
        """All models that may answer, in an order that stays."""
        ...

    async def choose(self) -> Target:
        """Return where the next call goes. Raises WorkError where its client cannot be built."""
        ...

    def fail_over(self, error: WorkError) -> WorkError | None:
        """Take note that the last call failed: None, and the next one goes elsewhere; or what the run fails with."""
        ...


class FixedRoute:
    """A route of one model."""

    def __init__(self, target: Target, meter: Meter | None = None) -> None:
        """Always call `target`, when `meter` lets it; without one at once."""
        self.meter = meter or Unmetered()
        self._target = target

    @property
    def names(self) -> Sequence[ModelName]:
        """The one."""
        return (self._target.name,)

    async def choose(self) -> Target:
        """Return the one."""
        return self._target

    def fail_over(self, error: WorkError) -> WorkError | None:
        """Return `error`: there is no other model."""
        return error


def own_model(spec: AgentSpec, client: LLMClient, meter: Meter | None = None) -> FixedRoute:
    """Return the route to the version's own model alone, over `client`."""
    name = ModelName(f"{spec.credential}/{spec.model}", spec.model)
    return FixedRoute(Target(name, client, spec.price), meter)
