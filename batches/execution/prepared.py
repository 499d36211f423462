"""A claimed run made ready to start: its agent loaded, its prompt written, its tokens estimated."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from agents.answers import request_keys
from agents.llm.parameters import answer_limit
from agents.llm.tokens import estimate_message_tokens
from agents.llm.types import Message
from agents.requests.asking import asked
from agents.runner import first_request
from agents.spec import AgentSpec
from batches.models.batch import InputKind
from workers.errors import WorkError

from .agents_cache import LoadedAgent, fixed_tokens
from .claims import ClaimedRun
from .permits import Need
from .remaining import within_limits


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """All that the run's first call needs. `spec` has what earlier attempts left of the limits.

    `first_keys` are the keys of stored answers to its first call, one for each model of the agent, where stored answers
    may serve it. `is_streamed`: somebody wants to hear of it while it runs.
    """

    run: ClaimedRun
    agent: LoadedAgent
    spec: AgentSpec
    messages: Sequence[Message]
    need: Need
    first_keys: tuple[str, ...] = ()
    is_streamed: bool = False

    @property
    def key(self) -> tuple[int, int]:
        """The run and the number of its attempt."""
        return self.run.id, self.run.attempt


def prepare(run: ClaimedRun, agent: LoadedAgent) -> PreparedRun:
    """Return `run` ready to start. Raises InvalidInput or WorkError where its input or its limits allow no call."""
    body, own = orjson.loads(run.input_json), agent.spec
    spec, messages = asked(within_limits(own, run), run.input_kind, body)
    is_own = spec.tools is own.tools and spec.output_schema is own.output_schema
    fixed = agent.fixed_tokens if is_own else fixed_tokens(spec)
    tokens = fixed + sum(map(estimate_message_tokens, messages))
    need = Need(tokens, answer_limit(spec.parameters))
    keys = _first_keys(agent, spec, messages) if spec.cache_seconds is not None and run.use_cache else ()
    return PreparedRun(run, agent, spec, messages, need, keys, _is_streamed(run, body))


def _is_streamed(run: ClaimedRun, body: Any) -> bool:
    """Whether the caller of a single run, whose input is `body`, wants to hear of it while it runs."""
    return run.batch_id is None and run.input_kind != InputKind.COLUMNS and body.get("stream") is True


def _first_keys(agent: LoadedAgent, spec: AgentSpec, messages: Sequence[Message]) -> tuple[str, ...]:
    try:
        request = first_request(spec, messages)
    except WorkError:
        # The runner will say so.
        return ()
    return tuple(request_keys([model.name for model in agent.models], spec.operation, request))
