"""What a worker tells of its single runs: how each ends, and of those that stream what happens meanwhile."""

import asyncio
from typing import Any

import orjson

from agents.events import RunFinished, RunnerEvent, TextProduced, ToolFinished, ToolStarted
from batches.models import AttemptOutcome
from batches.news import FinishedRun, NewsKind, end_bytes, news_bytes, topic_of
from batches.states import TERMINAL_RUN_STATES
from workers.bus.publisher import Publisher

from .noting import clipped, tool_data, tool_result_data
from .outcomes import Outcome
from .prepared import PreparedRun
from .storable import storable

# Text is told at most so often: an eye sees no more, and each message passes through Redis and the web process.
PIECE_SECONDS = 1 / 30
# Between what an agent says before it uses its tools and what it says after.
BETWEEN_STEPS = "\n\n"


class LiveRun:
    """One attempt of a run that streams. Used from the engine's loop."""

    def __init__(self, publisher: Publisher, prepared: PreparedRun) -> None:
        """Tell on `publisher` what happens in `prepared`."""
        self._publisher = publisher
        self._run = prepared.run
        # What breaks the schema is asked for anew: only what was accepted is told.
        self._is_held_back = prepared.spec.output_schema is not None and not prepared.spec.is_plain
        self._loop = asyncio.get_running_loop()
        self._parts: list[str] = []
        self._told = 0
        self._step = 0
        self._next_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def take(self, event: RunnerEvent) -> None:
        """Tell an event of the runner, where it is one for who watches."""
        match event:
            case TextProduced(step=step, text=text) if not self._is_held_back:
                if step != self._step and self._told + len(self._parts):
                    text = BETWEEN_STEPS + text
                self._step = step
                self._add(text)
            case ToolStarted(step=step, call=call):
                self._tell(NewsKind.TOOL_CALL, tool_data(step, call))
            case ToolFinished():
                self._tell(NewsKind.TOOL_RESULT, tool_result_data(event))
            case RunFinished(output=output) if self._is_held_back:
                self._add(output)

    def close(self) -> None:
        """Tell what is left of the text."""
        if self._timer is not None:
            self._timer.cancel()
        self._flush()

    def _add(self, text: str) -> None:
        """Tell a piece of text: the first at once, what follows within a moment together."""
        self._parts.append(text)
        if self._timer is None:
            wait = self._next_at - self._loop.time()
            if wait <= 0:
                self._flush()
            else:
                self._timer = self._loop.call_later(wait, self._flush)

    def _flush(self) -> None:
        self._timer = None
        text = storable("".join(self._parts))
        self._parts.clear()
        if text:
            self._publish(NewsKind.TEXT, {"at": self._told, "text": text})
            self._told += len(text)
            self._next_at = self._loop.time() + PIECE_SECONDS

    def _tell(self, kind: NewsKind, data: dict[str, Any]) -> None:
        self.close()
        self._publish(kind, data)

    def _publish(self, kind: NewsKind, data: dict[str, Any]) -> None:
        self._publisher.tell(topic_of(self._run.id), news_bytes(kind, self._run.attempt, data))


def tell_outcome(publisher: Publisher, outcome: Outcome) -> None:
    """Tell how an attempt of a single run ended, after its commit."""
    run = outcome.run
    if outcome.state in TERMINAL_RUN_STATES:
        data = end_bytes(_finished(outcome), outcome.parsed_json)
    else:
        code = outcome.error_code if outcome.kind is not AttemptOutcome.HANDED_BACK else None
        why = {"code": code, "message": clipped(outcome.error_message or ""), "delay": outcome.delay}
        data = news_bytes(NewsKind.RETRY, run.attempt, why)
    publisher.tell(topic_of(run.id), data)


def _finished(outcome: Outcome) -> FinishedRun:
    run, spent = outcome.run, outcome.spent
    completion = outcome.completion_json
    return FinishedRun(
        state=outcome.state,
        output=outcome.output,
        completion=None if completion is None else orjson.loads(completion),
        input_tokens=run.input_tokens + spent.usage.input_tokens,
        output_tokens=run.output_tokens + spent.usage.output_tokens,
        cached_tokens=run.cached_tokens + spent.usage.cached_tokens,
        reasoning_tokens=run.reasoning_tokens + spent.usage.reasoning_tokens,
        cost=run.cost + spent.cost,
        model=spent.model,
        error_code=outcome.error_code,
        error_message=outcome.error_message,
        attempt=run.attempt,
    )
