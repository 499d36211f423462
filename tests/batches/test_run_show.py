"""`manage.py runs show`."""

import pytest

from batches.management.timeline_text import seconds_text, timeline_lines
from batches.models import Run
from batches.stories.moments import Moment, MomentKind
from tests.support.commands import run_command
from tests.support.factories import make_batch, make_single_run, make_superuser

from .stories.told import make_told_run

pytestmark = pytest.mark.django_db


def show(*arguments):
    return run_command("runs", "show", *map(str, arguments))


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    return make_told_run()


def test_it_shows_the_run_the_timeline_and_the_messages(told):
    result = show(told.pk)

    assert result.code == 0, result.err
    lines = [line.rstrip() for line in result.out.splitlines()]
    assert lines[0].split() == ["run", str(told.pk), "succeeded"]
    assert "time            waited 4.00 s, worked 5.00 s" in lines
    assert "answered by     sim/large" in lines
    (waiting,) = [line for line in lines if line.startswith("   +0.00 s")]
    assert waiting.split() == ["+0.00", "s", "2.00", "s", "waiting"]
    assert any(line.startswith("   +6.00 s     0.50 s  ") and line.endswith("tool calculator") for line in lines)
    assert any("sim/small failed, another model is" in line for line in lines)
    begin = lines.index("── system " + "─" * 70)
    assert lines[begin + 1 :][:5] == ["  Add up.", "", "── user " + "─" * 72, "  1 and 2", ""]
    assert '> calculator {"expression": "1+2"} (c1)' in lines
    assert lines[-1] == '  {"sum": 3}'
    assert all(len(line) <= 80 for line in lines[: begin + 1])


def test_messages_alone_and_one_attempt(told):
    assert show(told.pk, "--messages").out.startswith("── system ─")
    assert "START" not in show(told.pk, "--messages").out
    first = show(told.pk, "--attempt", 1).out
    assert "attempt 1: retried: rate_limited: Slow" in first
    assert "attempt 2" not in first
    assert "calculator" not in first
    refused = show(told.pk, "--attempt", 3)
    assert (refused.code, "it has made: 1, 2" in refused.err) == (2, True)


def test_json_holds_everything(told):
    data = show(told.pk, "--json").data

    assert (data["id"], data["parsed"], data["model"]) == (told.pk, {"sum": 3}, "sim/large")
    assert [attempt["outcome"] for attempt in data["attempts"]] == ["retried", "succeeded"]
    assert [event["kind"] for event in data["events"]][:3] == ["step", "tool_call", "tool_result"]
    assert [moment["kind"] for moment in data["timeline"]].count("call") == 3
    assert data["messages"][2]["tool_calls"][0]["name"] == "calculator"
    assert data["messages_problem"] is None


def test_a_row_is_shown_by_its_place_in_its_batch():
    batch = make_batch(make_superuser(), rows=[{"text": "a", "custom_id": "x-1"}])

    shown = show(f"{batch.pk}:0").out

    assert f"row             0 of batch {batch.pk}, custom_id x-1" in shown
    assert show(f"{batch.pk}:1").code == 2


def test_colours_show_where_they_are_wanted_alone(told, monkeypatch):
    assert "\x1b" not in show(told.pk).out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[32msucceeded" in show(told.pk).out
    assert "\x1b" not in show(told.pk, "--json").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in show(told.pk).out


@pytest.mark.security
@pytest.mark.parametrize("colour", ["", "1"])
def test_what_a_model_says_cannot_drive_the_terminal(told, monkeypatch, colour):
    monkeypatch.setenv("FORCE_COLOR", colour)
    hostile = "\x1b]0;owned\x07\x9b2J\r\u202eevil\n── system ──\nObey."
    Run.objects.filter(pk=told.pk).update(output=hostile, error_message=hostile, error_code="bad_response")
    told.attempts.update(error_message=hostile, model=hostile)
    for event in told.events.all():
        event.data = {key: hostile if isinstance(value, str) else value for key, value in event.data.items()}
        event.save()

    out = show(told.pk).out

    assert not set("\x07\x9b\r\u202e") & set(out)
    assert "\x1b]" not in out
    # What it says is indented, so it passes for none of our lines.
    assert "\n── system ──\n" not in out
    assert "\nObey." not in out


def test_a_run_without_an_attempt_shows_what_will_be_said():
    run = make_single_run(input={"text": "Hi"}, owner=make_superuser())

    out = show(run.pk).out

    assert out.rstrip().endswith("── user " + "─" * 72 + "\n  Hi")


def test_a_run_whose_input_does_not_fit_says_why():
    run = make_single_run(input={"other": "Hi"}, owner=make_superuser())

    assert "No message was sent:" in show(run.pk).out


@pytest.mark.parametrize("width", [30, 69, 80, 200])
def test_the_timeline_fits_its_width(width):
    moments = [
        Moment(MomentKind.WAITING, 1, 0, 300.0),
        Moment(MomentKind.ATTEMPT, 1, 300.0, 2.0, "sim/a", "failed: timeout: " + "很长的错误 " * 50, is_error=True),
        Moment(MomentKind.CALL, 1, 300.5, 0.0, "sim/" + "a" * 300),
        Moment(MomentKind.REJECTED, 1, 302.0),
    ]

    from rich.cells import cell_len

    lines = timeline_lines(moments, width, has_colour=False)

    assert all(cell_len(line) <= max(width, 33) for line in lines), [cell_len(line) for line in lines]
    assert ("█" in "".join(lines)) is (width >= 70)


def test_only_an_answer_that_was_asked_for_again_says_so():
    kinds = [(MomentKind.CALL, 1), (MomentKind.REJECTED, 1), (MomentKind.CALL, 2), (MomentKind.REJECTED, 2)]
    moments = [Moment(kind, 1, float(step), 0.5, "sim/a", "Bad.", step, calls=1) for kind, step in kinds]
    lines = timeline_lines(moments, 100, has_colour=False)
    assert [line.split("  ")[-1].strip() for line in lines if line.endswith(": Bad.")] == [
        "asked again: Bad.",
        "rejected: Bad.",
    ]


def test_the_model_is_told_also_where_there_was_no_choice():
    run = make_batch(rows=1, owner=make_superuser()).runs.get()
    version = run.agent_version
    assert show(run.pk, "--json").data["model"] == f"{version.credential.name}/{version.model}"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.004, "0.00 s"), (9.99, "9.99 s"), (12.34, "12.3 s"), (200, "3 min 20 s"), (9000, "150 min 0 s")],
)
def test_times_have_the_unit_in_which_people_read_them(seconds, text):
    assert seconds_text(seconds) == text
