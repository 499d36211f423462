"""Components and filters of the pages: `{% load ui %}`."""

from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from agents.models import AgentState
from batches.models import AttemptOutcome, Batch
from batches.states import BatchState, RunState, Tone
from dashboard import formats
from dashboard.icons import ICONS
from dashboard.progress import Progress, progress_of

register = template.Library()

register.filter("grouped", formats.grouped)
register.filter("money", formats.money)
register.filter("duration", formats.duration)
register.filter("pretty_json", formats.pretty_json)
register.filter("brief_json", formats.brief_json)

LONGEST_TEXT = 100_000

_AGENT_TONES = {
    AgentState.DRAFT: Tone.NEUTRAL,
    AgentState.ACTIVE: Tone.GOOD,
    AgentState.PAUSED: Tone.PAUSED,
    AgentState.ARCHIVED: Tone.MUTED,
}
_OUTCOME_TONES = {
    AttemptOutcome.SUCCEEDED: Tone.GOOD,
    AttemptOutcome.FAILED: Tone.BAD,
    AttemptOutcome.RETRIED: Tone.WAITING,
    AttemptOutcome.HANDED_BACK: Tone.NEUTRAL,
    AttemptOutcome.CRASHED: Tone.BAD,
    AttemptOutcome.CANCELLED: Tone.MUTED,
    AttemptOutcome.STALE: Tone.MUTED,
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """Return the icon `name` as inline SVG, hidden from screen readers: a word always stands beside it."""
    # The drawing is a constant of this program.
    return format_html('<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">{}</svg>', mark_safe(ICONS[name]))  # noqa: S308


def _pill(label: str, tone: Tone) -> dict[str, Any]:
    return {"label": label.replace("_", " ").lower(), "tone": tone.value}


@register.inclusion_tag("dashboard/partials/pill.html")
def batch_pill(state: str) -> dict[str, Any]:
    """Show a batch's state."""
    return _pill(BatchState(state).label, BatchState(state).tone)


@register.inclusion_tag("dashboard/partials/pill.html")
def run_pill(state: str) -> dict[str, Any]:
    """Show a run's state."""
    return _pill(RunState(state).label, RunState(state).tone)


@register.inclusion_tag("dashboard/partials/pill.html")
def agent_pill(state: str) -> dict[str, Any]:
    """Show an agent's state."""
    return _pill(AgentState(state).label, _AGENT_TONES[AgentState(state)])


@register.inclusion_tag("dashboard/partials/pill.html")
def outcome_pill(outcome: str) -> dict[str, Any]:
    """Show how an attempt ended."""
    return _pill(AttemptOutcome(outcome).label, _OUTCOME_TONES[AttemptOutcome(outcome)])


@register.filter
def progress(batch: Batch) -> Progress:
    """Return how far `batch` is now."""
    return progress_of(batch, timezone.now())


@register.inclusion_tag("dashboard/partials/progress_bar.html")
def progress_bar(batch: Batch) -> dict[str, Any]:
    """Show how far `batch` is, as a bar of its rows by state."""
    return {"progress": progress_of(batch, timezone.now()), "batch": batch}


@register.simple_tag
def ago(moment: datetime | None) -> SafeString | str:
    """Return how long ago `moment` was, with the exact time on hover; a dash for None."""
    if moment is None:
        return "–"
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        moment.isoformat(),
        f"{moment:%Y-%m-%d %H:%M:%S}",
        formats.since(moment, timezone.now()),
    )


@register.filter
def milliseconds(value: int | None) -> str:
    """Return a length of time given in milliseconds."""
    return formats.duration(None if value is None else value / 1000)


@register.filter
def shortened(text: str | None) -> str:
    """Return the first 100,000 characters of `text`; a browser chokes on more."""
    return (text or "")[:LONGEST_TEXT]


@register.filter
def is_shortened(text: str | None) -> bool:
    """Whether `shortened` leaves anything out."""
    return len(text or "") > LONGEST_TEXT


@register.filter
def is_text(value: Any) -> bool:
    """Whether `value` is text, to be shown as it is."""
    return isinstance(value, str)
