"""A claimed run made ready to start: its agent loaded, its prompt written, its tokens estimated."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from agents.answers import request_keys
from agents.llm.parameters import answer_limit
from agents.llm.tokens import estimate_message_tokens
from agents.llm.types import Message
from agents.messages import build_messages
from agents.runner import first_request
from agents.spec import AgentSpec
from workers.errors import WorkError

from .agents_cache import LoadedAgent
from .claims import ClaimedRun
from .permits import Need
from .remaining import within_limits


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """All that the run's first call needs. `spec` has what earlier attempts left of the limits."""

    run: ClaimedRun
    agent: LoadedAgent
    spec: AgentSpec
    messages: Sequence[Message]
    need: Need

    @property
    def uses_store(self) -> bool:
        """Whether a stored answer may serve the run."""
        return self.spec.cache_seconds is not None and self.run.use_cache

    def first_keys(self) -> list[str]:
        """Return the keys of stored answers to its first call, one for each model; none where it can make no call."""
        try:
            request = first_request(self.spec, self.messages)
        except WorkError:
            return []
        return request_keys([model.name for model in self.agent.models], self.spec.operation, request)

    @property
    def key(self) -> tuple[int, int]:
        """The run and the number of its attempt."""
        return self.run.id, self.run.attempt


def prepare(run: ClaimedRun, agent: LoadedAgent) -> PreparedRun:
    """Return `run` ready to start. Raises InvalidInput or WorkError where its input or its limits allow no call."""
    spec = within_limits(agent.spec, run)
    messages = build_messages(spec, run.input_kind, orjson.loads(run.input_json))
    tokens = agent.fixed_tokens + sum(map(estimate_message_tokens, messages))
    return PreparedRun(run, agent, spec, messages, Need(tokens, answer_limit(spec.parameters)))
