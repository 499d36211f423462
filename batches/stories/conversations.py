"""The messages of an attempt as the model saw them: the run's first ones, and what its events add."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from agents.llm.types import FilePart, ImagePart, Message, Part, Price, ToolCall
from agents.repairs import repair_message
from agents.requests.asking import asked
from agents.services import spec_of
from batches.execution.noting import LONGEST_EVENT_TEXT
from batches.models import Attempt, AttemptOutcome, Run, RunEvent, RunEventKind
from workers.errors import ErrorCode, InvalidInput

from .moments import Attachment, Said


def first_messages(run: Run) -> tuple[Said, ...]:
    """Return what the model is told first. Raises InvalidInput where the input does not fit the version."""
    # Prices do not matter here, and looking them up would take a query.
    spec = spec_of(run.agent_version, Price())
    return tuple(_first(message) for message in asked(spec, run.input_kind, run.input)[1])


def opening_of(run: Run) -> tuple[tuple[Said, ...], str]:
    """Return the first messages of `run`, or none and the reason where its input gives none."""
    try:
        return first_messages(run), ""
    except InvalidInput as error:
        return (), str(error)


def said_in(run: Run, attempt: Attempt, events: Sequence[RunEvent]) -> tuple[Said, ...]:
    """Return what was said in `attempt` after the first messages, from its `events` in order."""
    said: list[Said] = []
    steps = [event for event in events if event.data.get("step")]
    is_given_up = attempt.error_code == ErrorCode.SCHEMA_MISMATCH
    for step, group in groupby(steps, key=lambda event: int(event.data["step"])):
        said += _step(step, list(group), is_asked_again=not (is_given_up and step == attempt.steps))
    if run.attempt == attempt.number and attempt.outcome == AttemptOutcome.SUCCEEDED:
        said.append(Said("assistant", run.output, attempt.steps))
    return tuple(said)


def _first(message: Message) -> Said:
    attachments = tuple(_attachment(part) for part in message.parts if not isinstance(part, str))
    content = message.content or (f"{len(message.tokens)} tokens" if message.tokens else "")
    return Said(message.role, content, 0, message.tool_calls, message.tool_call_id, attachments=attachments)


def _attachment(part: Part) -> Attachment:
    assert isinstance(part, (ImagePart, FilePart))
    shown = part.url.partition(",")[0] if part.url.startswith("data:") else part.url
    name = f"{part.name}, " if isinstance(part, FilePart) else ""
    return Attachment(f"{name}{shown}", len(part.url))


def _step(step: int, events: Sequence[RunEvent], *, is_asked_again: bool) -> Iterable[Said]:
    """Yield what the model said in a step, and what it was told then."""
    calls = tuple(_tool_call(event.data) for event in events if event.kind == RunEventKind.TOOL_CALL)
    if calls:
        text = next((event.data.get("text") for event in events if event.kind == RunEventKind.STEP), None)
        yield _kept("assistant", text, step, calls)
    for event in events:
        data = event.data
        if event.kind == RunEventKind.TOOL_RESULT:
            yield _kept("tool", data.get("result"), step, name=data.get("name"), answers=data.get("id"))
        elif event.kind == RunEventKind.REJECTED:
            yield _kept("assistant", data.get("answer"), step)
            if is_asked_again:
                yield Said("user", repair_message(str(data.get("problem"))).content, step)


def _kept(
    role: Any, text: Any, step: int, calls: tuple[ToolCall, ...] = (), *, name: Any = "", answers: Any = None
) -> Said:
    kept = None if text is None else str(text)
    is_clipped = kept is not None and len(kept) >= LONGEST_EVENT_TEXT
    return Said(role, kept, step, calls, answers, str(name or ""), is_clipped=is_clipped)


def _tool_call(data: dict[str, Any]) -> ToolCall:
    return ToolCall(str(data.get("id") or ""), str(data.get("name")), str(data.get("arguments")))
