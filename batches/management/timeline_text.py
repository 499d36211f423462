"""A run's timeline as lines of text: when, for how long, a bar, and what."""

import io
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from batches.stories.moments import Moment, MomentKind
from credentials.management.colours import BLUE, BOLD, CYAN, FAINT, RED, YELLOW, painted
from credentials.management.output import one_line

BAR_WIDTH = 16
# Below this width of the terminal the words need the room of the bars.
LEAST_WIDTH_WITH_BARS = 70
# "   +0.00 s     1.20 s  "
_TIMES = "{:>10} {:>10}  "
_TIMES_WIDTH = 23
_MOST_LINES = 4
# `Text.wrap` asks a console for its rules; it writes nothing.
_RULES = Console(file=io.StringIO())
_COLOURS = {
    MomentKind.WAITING: FAINT,
    MomentKind.ATTEMPT: BOLD,
    MomentKind.CALL: BLUE,
    MomentKind.TOOL: CYAN,
    MomentKind.REJECTED: YELLOW,
    MomentKind.FAILED_OVER: YELLOW,
}


def seconds_text(seconds: float) -> str:
    """Return a time in the unit in which people read it: `0.35 s`, `12.0 s`, `3 min 20 s`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60):,} min {int(seconds % 60)} s"


def tokens_text(taken: int, given: int, cached: int = 0, thought: int = 0) -> str:
    """Return tokens of input and output, and which of them were cached or thought."""
    more = [f"{count:,} {name}" for count, name in ((cached, "cached"), (thought, "reasoning")) if count]
    return f"{taken:,} + {given:,} tokens" + (f" ({', '.join(more)})" if more else "")


def timeline_lines(moments: Sequence[Moment], width: int, *, has_colour: bool) -> list[str]:
    """Return a header and the `moments` in lines of at most `width` cells; none where nothing happened yet."""
    if not moments:
        return []
    has_bars = width >= LEAST_WIDTH_WITH_BARS
    scale = _scale(moments)
    left = _TIMES_WIDTH + (BAR_WIDTH + 2 if has_bars else 0)
    header = _TIMES.format("START", "TIME") + (" " * (BAR_WIDTH + 2) if has_bars else "") + "WHAT"
    lines = [header]
    last_calls = {moment.attempt: moment.step for moment in moments if moment.kind is MomentKind.CALL}
    for moment in moments:
        what = _what(moment, is_last=moment.step >= last_calls.get(moment.attempt, 0))
        first, *others = wrapped(what, max(10, width - left))
        time = "" if moment.seconds is None else seconds_text(moment.seconds)
        bar = _bar(moment, *scale) if has_bars else ""
        colour = RED if moment.is_error and moment.kind is not MomentKind.REJECTED else _COLOURS[moment.kind]
        text = _TIMES.format(f"+{seconds_text(moment.start)}", time) + bar + first
        lines += [painted(line.rstrip(), colour if has_colour else None) for line in _block(text, others, left)]
    return lines


def _block(first: str, others: Sequence[str], left: int) -> Iterator[str]:
    yield first
    for line in others:
        yield " " * left + line


def _scale(moments: Sequence[Moment]) -> tuple[float, float]:
    """Return the seconds at which the bars begin and end: from the first attempt, however long the run waited."""
    working = [moment for moment in moments if moment.kind is not MomentKind.WAITING] or moments
    return working[0].start, max(moment.start + (moment.seconds or 0) for moment in working)


def _bar(moment: Moment, begin: float, end: float) -> str:
    if moment.kind is MomentKind.WAITING and (moment.start + (moment.seconds or 0) <= begin or moment.start >= end):
        return " " * (BAR_WIDTH + 2)
    span = max(end - begin, 1e-9)
    first = round(max(0.0, moment.start - begin) / span * BAR_WIDTH)
    last = round(min(span, moment.start + (moment.seconds or 0) - begin) / span * BAR_WIDTH)
    first = min(first, BAR_WIDTH - 1)
    sign = "·" if moment.kind is MomentKind.WAITING else "█" if moment.seconds else "│"
    filled = sign * max(1, last - first)
    return (" " * first + filled).ljust(BAR_WIDTH)[:BAR_WIDTH] + "  "


def _what(moment: Moment, *, is_last: bool) -> str:
    """Return what happened; `is_last`: no call of the attempt came after it."""
    match moment.kind:
        case MomentKind.WAITING:
            return "waiting"
        case MomentKind.ATTEMPT:
            return f"attempt {moment.attempt}: {moment.detail}"
        case MomentKind.CALL:
            return _call(moment)
        case MomentKind.TOOL:
            return f"  tool {moment.name}" + (f" failed: {moment.detail}" if moment.is_error else "")
        case MomentKind.REJECTED:
            return f"  {'rejected' if is_last else 'asked again'}: {moment.detail}"
    return f"  {moment.name} failed, another model is asked: {moment.detail}"


def _call(moment: Moment) -> str:
    usage = moment.usage
    parts = [tokens_text(usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens)]
    if moment.detail not in ("", "stop"):
        parts.append(moment.detail)
    if moment.first_token is not None:
        parts.append(f"first text after {seconds_text(moment.first_token)}")
    if moment.is_cached:
        parts.append("from the store of answers")
    name = f"call {moment.step}" if moment.calls == 1 else f"{moment.calls} calls"
    return f"  {name} {moment.name}: {', '.join(parts)}"


def wrapped(text: str, width: int, most: int = _MOST_LINES) -> list[str]:
    """Return `text` in at most `most` lines of `width` cells, indented alike; wide characters count as two."""
    indent = " " * (len(text) - len(text.lstrip(" ")))
    lines = [line.plain.rstrip() for line in Text(one_line(text)).wrap(_RULES, width - len(indent))]
    if len(lines) > most:
        last = Text(lines[most - 1])
        last.truncate(width - len(indent) - 1)
        lines = [*lines[: most - 1], f"{last.plain}…"]
    return [indent + line for line in lines] or [""]
