"""A run's story for a person: who it is, the timeline, and the messages as the model saw them."""

from collections.abc import Iterator

from batches.execution.noting import LONGEST_EVENT_TEXT
from batches.management.timeline_text import seconds_text, timeline_lines, tokens_text, wrapped
from batches.models import Run
from batches.states import RunState
from batches.stories import RunStory
from batches.stories.moments import MomentKind, Said
from credentials.management.colours import BOLD, FAINT, RED, TONES, Coloured, painted
from credentials.management.output import money, one_line, printable

_NAME_WIDTH = 14
_MOST_LINES = 10


def story_text(story: RunStory, attempt: int | None, width: int, *, has_colour: bool) -> Coloured:
    """Return the whole story in lines that fit `width` cells; of one attempt where `attempt` says which."""
    timeline = timeline_lines(story.moments(attempt), width, has_colour=has_colour)
    parts = [*_head(story, width, has_colour), "", *(timeline or ["No attempt yet."]), ""]
    return Coloured("\n".join([*parts, conversation_text(story, attempt, width, has_colour=has_colour)]))


def conversation_text(story: RunStory, attempt: int | None, width: int, *, has_colour: bool) -> Coloured:
    """Return the messages of an attempt, by default the latest; their texts are indented and not wrapped."""
    if story.problem:
        return Coloured(f"No message was sent: {one_line(story.problem)}")
    lines: list[str] = []
    for said in story.conversation(attempt):
        title = f"── {_title(said)} "
        lines.append(painted(title + "─" * max(0, width - len(title)), BOLD if has_colour else None))
        lines += [painted(line, colour if has_colour else None) for line, colour in _body(said)]
        lines.append("")
    return Coloured("\n".join(lines).rstrip("\n"))


def _head(story: RunStory, width: int, has_colour: bool) -> Iterator[str]:
    run = story.run
    tone = TONES.get(RunState(run.state).tone) if has_colour else None
    yield f"run {run.pk}".ljust(_NAME_WIDTH) + "  " + painted(run.state, tone)
    for name, text in _facts(story):
        if text:
            colour = RED if name == "error" and has_colour else None
            first, *others = wrapped(text, max(20, width - _NAME_WIDTH - 2), _MOST_LINES)
            yield f"{name:<{_NAME_WIDTH}}  {painted(first, colour)}"
            yield from (" " * (_NAME_WIDTH + 2) + painted(line, colour) for line in others)


def _facts(story: RunStory) -> Iterator[tuple[str, str]]:
    run = story.run
    version = run.agent_version
    yield "agent", f"{version} on {version.credential.name}/{version.model}"
    yield "row", _row(run)
    waited = sum(moment.seconds or 0 for moment in story.timeline if moment.kind is MomentKind.WAITING)
    worked = sum(moment.seconds or 0 for moment in story.timeline if moment.kind is MomentKind.ATTEMPT)
    yield "time", f"waited {seconds_text(waited)}, worked {seconds_text(worked)}"
    usage = tokens_text(run.input_tokens, run.output_tokens, run.cached_tokens, run.reasoning_tokens)
    yield "used", f"{usage}, {money(float(run.cost))}"
    yield "answered by", "the store of answers" if run.is_cached else run.model or ""
    yield "output schema", f"goes with every call: agents show {version}" if version.output_schema else ""
    yield "error", ": ".join(filter(None, (run.error_code, run.error_message)))


def _row(run: Run) -> str:
    if run.batch_id is None:
        return ""
    custom_id = f", custom_id {run.custom_id}" if run.custom_id is not None else ""
    return f"{run.index} of batch {run.batch_id}{custom_id}"


def _title(said: Said) -> str:
    name = f" {one_line(said.name)}" if said.name else ""
    return f"{said.role}{name}, step {said.step}" if said.step else f"{said.role}{name}"


def _body(said: Said) -> Iterator[tuple[str, str | None]]:
    """Yield the lines of a message with their colours. The indent tells what was said from what is told about it."""
    if said.text is None:
        yield "(its words were not kept)", FAINT
    elif said.text:
        yield from ((f"  {line}", None) for line in printable(said.text).split("\n"))
    if said.is_clipped:
        yield f"(cut after {LONGEST_EVENT_TEXT:,} characters)", FAINT
    for attachment in said.attachments:
        yield f"+ {one_line(attachment.label)[:200]} ({attachment.characters:,} characters)", FAINT
    for call in said.tool_calls:
        yield f"> {one_line(call.name)} {one_line(call.arguments)} ({one_line(call.id)})", None
