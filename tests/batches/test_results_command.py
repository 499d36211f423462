"""`manage.py batches results` and `batches export`: tables, groups, conditions, folders, a terminal's width."""

import os
import pty
import select
import subprocess
import sys

import pytest
from rich.cells import cell_len

from batches.management.fitted_table import fit, shortened
from batches.models import Run
from tests.support.commands import CommandResult, run_command
from tests.support.factories import make_agent, make_superuser, make_user
from tests.support.worker_harness import ROOT

from .results.finished import failed, make_finished

SCHEMA = {"type": "object", "properties": {"label": {"type": "string"}}}
HOSTILE = "\x1b[31mred\x1b[0m\n\u202eevil"


@pytest.fixture
def batch():
    user = make_superuser()
    rows = [
        {
            "input": {"ticket": f"Ticket {number} 木木木 {'long ' * 30}"},
            "parsed": {"label": "spam" if number % 3 else "billing"},
            "output": HOSTILE,
            "latency_ms": 100 * number,
            "cost": "0.00125",
        }
        for number in range(20)
    ] + [failed("timeout", "too slow", input={"ticket": "x"}) for _ in range(5)]
    version = make_agent(user, slug="triage", output_schema=SCHEMA).current_version
    return make_finished(rows, version, owner=user, columns=["ticket"])


def results(batch, *arguments: str) -> CommandResult:
    return run_command("batches", "results", str(batch.pk), *arguments)


@pytest.mark.django_db(transaction=True)
def test_a_table_with_a_footer_that_says_how_to_go_on(batch):
    found = results(batch, "--limit", "2")
    head, first, second, footer = found.out.splitlines()
    assert head.split() == ["INDEX", "STATUS", "PARSED.LABEL", "LATENCY_MS", "COST"]
    assert first.split() == ["0", "succeeded", "billing", "0", "0.00125"]
    assert second.split() == ["1", "succeeded", "spam", "100", "0.00125"]
    assert footer == "2 of 25 rows · next: --after 1"
    last = results(batch, "--limit", "2", "--after", "22").out.splitlines()[-1]
    assert last == "2 of 25 rows"


@pytest.mark.django_db(transaction=True)
def test_columns_and_conditions(batch):
    found = results(
        batch, "--where", "status=failed", "--columns", "index,code,message,input.ticket,usage", "--limit", "1"
    )
    assert found.code == 0
    head, row, footer = found.out.splitlines()
    assert head.split() == ["INDEX", "CODE", "MESSAGE", "INPUT.TICKET", "USAGE"]
    assert row.startswith("   20  timeout  too slow  x ")
    assert footer == "1 of 5 rows · next: --after 20"
    nothing = results(batch, "--where", "status=expired")
    assert (nothing.code, nothing.out) == (0, f"No row matches; batch {batch.pk} has 25 rows.\n")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("width", [30, 40, 50, 60, 80])
def test_a_narrow_terminal_gets_whole_lines_and_whole_numbers(batch, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = results(batch, "--limit", "3").out.splitlines()
    table = lines[:4]
    assert max(map(len, table)) <= max(width, 40)
    assert ("LATENCY_MS" in table[0]) is (width >= 60)
    assert ("Too narrow for latency_ms" in lines[-1]) is (width < 60)
    if "COST" in table[0]:
        assert "0.00125" in table[1]
    assert "COST" in results(batch, "--columns", "index,cost").out


@pytest.mark.django_db(transaction=True)
@pytest.mark.security
def test_what_a_model_says_cannot_drive_the_terminal(batch):
    out = results(batch, "--columns", "output", "--limit", "1").out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert len(out.splitlines()) == 3


@pytest.mark.django_db(transaction=True)
def test_json_has_whole_records_or_the_columns(batch):
    data = results(batch, "--limit", "1", "--json").data
    assert (data["total"], data["next_after"], data["rows"][0]["usage"]["total_tokens"]) == (25, 0, 15)
    data = results(batch, "--limit", "1", "--columns", "parsed.label,cost", "--json").data
    assert data["rows"] == [{"parsed.label": "billing", "cost": 0.00125}]


@pytest.mark.django_db(transaction=True)
def test_groups_with_measures(batch):
    found = results(batch, "--by", "parsed.label", "--measure", "count", "--measure", "share", "--measure", "sum(cost)")
    assert found.out.splitlines() == [
        "PARSED.LABEL  COUNT  SHARE  SUM(COST)",
        "spam             13  52.0%  $0.016250",
        "billing           7  28.0%  $0.008750",
        "-                 5  20.0%  $0.000000",
        "3 of 3 groups · 25 rows",
    ]
    by_latency = results(batch, "--by", "latency,status", "--where", "latency_ms>=1000").out
    assert "1,000 to 2,000 ms" in by_latency
    assert results(batch, "--by", "code", "--json").data["rows"][0]["count"] == 20


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--where", "state=failed"], "where 'state=failed': 'state' is no field"),
        (["--columns", "name"], "--columns: there is no column 'name'; allowed: index"),
        (["--columns", "CUSTOM_ID"], "--columns: there is no column 'CUSTOM_ID' (did you mean 'custom_id'?); allowed"),
        (["--by", "modle"], "by 'modle' (did you mean 'model'?): allowed are"),
        (["--columns", "parsed."], "'parsed.' is no place"),
        (["--limit", "0"], "limit is 0; allowed: 1 to 1000"),
        (["--by", "output"], "by 'output': allowed"),
        (["--by", "code", "--measure", "x"], "measure 'x'"),
    ],
)
def test_bad_arguments_are_named(batch, arguments, message):
    found = results(batch, *arguments)
    assert found.code == 2
    assert message in found.err


@pytest.mark.django_db(transaction=True)
def test_a_stranger_sees_nothing(batch):
    make_user(username="eve")
    assert results(batch, "--as", "eve").code == 2
    assert run_command("batches", "export", str(batch.pk), "--to", "out", "--as", "eve").code == 2


@pytest.mark.django_db(transaction=True)
def test_export_takes_conditions(batch, tmp_path):
    output = tmp_path / "out.jsonl"
    found = run_command("batches", "export", str(batch.pk), "--output", str(output), "--where", "parsed.label=billing")
    assert found.out == f"Wrote 7 results to {output}.\n"


@pytest.mark.django_db(transaction=True)
def test_export_to_a_folder_and_again(batch, tmp_path):
    arguments = ["batches", "export", str(batch.pk), "--to", str(tmp_path / "out")]
    first = run_command(*arguments, "--part-rows", "10", "--format", "csv", "--follow")
    assert first.out == f"Wrote 3 of 3 parts; {tmp_path / 'out'} holds 25 results, all there are.\n"
    again = run_command(*arguments, "--format", "csv", "--json")
    assert (again.data["written"], again.data["complete"]) == (0, True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "arguments",
    [["--to", "a", "--where", "index>1"], ["--output", "a.csv", "--follow"], ["--to", "a", "--output", "b"], []],
)
def test_options_of_one_target_do_not_go_with_the_other(batch, arguments):
    assert run_command("batches", "export", str(batch.pk), *arguments).code == 2


def test_the_widest_columns_give_way_first():
    rows = fit(["a", "name", "text"], [["1", "木" * 20, "x" * 200]], 60)

    assert cell_len("  ".join(rows[0])) <= 60
    assert rows[0][0] == "1"
    assert rows[0][1].endswith("…")
    assert rows[0][2].endswith("x…")


@pytest.mark.parametrize(
    ("text", "width", "shown"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("木木木", 5, "木木…"), ("木木木", 4, "木…")]
)
def test_texts_are_cut_by_cells(text, width, shown):
    assert shortened(text, width) == shown


@pytest.mark.django_db(transaction=True)
def test_states_have_colours_in_their_column_alone(batch, monkeypatch):
    Run.objects.of_batch(batch.pk).update(output="succeeded")
    arguments = ["batches", "results", str(batch.pk), "--columns", "output,status", "--limit", "1"]
    assert "\x1b" not in run_command(*arguments).out
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "12")
    row = run_command(*arguments).out.splitlines()[1]
    assert row.endswith("  \x1b[32msucceeded\x1b[0m")
    assert row.count("\x1b") == 2
    assert "\x1b" not in run_command(*arguments, "--json").out


@pytest.mark.django_db(transaction=True)
def test_names_of_columns_drive_no_terminal(batch, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    hostile = 'input."\x1b[2J\nx"'
    found = run_command("batches", "results", str(batch.pk), "--columns", f"status,{hostile}", "--limit", "1")
    assert "\x1b[2J" not in found.out
    assert len(found.out.splitlines()) == 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("no_colour", ["", "1"])
def test_on_a_terminal_the_table_fits_and_has_colours(batch, worker_env, no_colour):
    primary, secondary = pty.openpty()
    arguments = ["batches", "results", str(batch.pk), "--limit", "3", "--columns", "index,status,input.ticket"]
    environment = {**worker_env, "COLUMNS": "50", "NO_COLOR": no_colour}
    child = subprocess.Popen([sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, stdout=secondary)
    os.close(secondary)
    data = b""
    while select.select([primary], [], [], 30)[0]:
        try:
            data += os.read(primary, 65536)
        except OSError:
            break
    os.close(primary)
    assert child.wait(30) == 0
    text = data.decode()
    assert ("\x1b[32msucceeded\x1b[0m" in text) == (not no_colour)
    plain = text.replace("\x1b[32m", "").replace("\x1b[0m", "").splitlines()
    assert all(cell_len(line) <= 50 for line in plain)
    assert plain[1].endswith("…")
    assert plain[-1] == "3 of 25 rows · next: --after 2"


@pytest.mark.django_db(transaction=True)
def test_a_name_makes_no_lines_of_its_own_in_a_summary():
    make_superuser()
    batch = make_finished([{}], name="mine): completed\n  rows     9: 9 succeeded\x1b[2J")
    for arguments in (["status", str(batch.pk)], ["estimate", "--batch", str(batch.pk)]):
        first, second, *_ = run_command("batches", *arguments).out.splitlines()
        assert "9 succeeded�[2J)" in first
        assert "9 succeeded" not in second
