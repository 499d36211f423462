"""`agents diff`, `agents export` and `agents import` from the command line."""

from pathlib import Path

import pytest

from agents.models import Agent
from agents.services import create_agent, new_version
from tests.support.commands import CommandResult, run_command
from tests.support.factories import make_credential, make_superuser

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def agent() -> Agent:
    admin = make_superuser(username="admin")
    make_credential(admin, name="sim")
    agent = create_agent(admin, slug="triage", credential="sim", model="sim-1", prompt="Sort.\n{{ ticket }}")
    new_version(admin, agent, prompt="Sort!\n{{ ticket }}\x1b[31m")
    return agent


def agents(*arguments: str, stdin: str = "") -> CommandResult:
    return run_command("agents", *arguments, stdin=stdin)


def test_a_diff_is_unified_and_says_which_field() -> None:
    result = agents("diff", "triage@1", "triage@2")
    assert result.code == 0
    assert result.out.splitlines()[:4] == ["--- triage@1", "+++ triage@2", "@@ prompt @@", "-prompt: |-"]


def test_a_version_alone_is_compared_with_the_current_one() -> None:
    assert agents("diff", "triage@1").out == agents("diff", "triage@1", "triage@2").out


def test_the_exit_code_tells_a_difference_only_where_asked() -> None:
    assert agents("diff", "triage@1", "--exit-code").code == 1
    same = agents("diff", "triage@2", "--exit-code")
    assert (same.code, same.out) == (0, "triage@2 and triage@2 do not differ.\n")


def test_a_diff_as_json_has_the_changed_fields() -> None:
    (change,) = agents("diff", "triage@1", "--json").data["changes"]
    assert (change["field"], change["before"]) == ("prompt", "Sort.\n{{ ticket }}")


def test_a_diff_has_colours_where_they_are_forced_and_no_escape_of_the_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = agents("diff", "triage@1").out
    assert "\x1b[36m@@ prompt @@\x1b[0m" in out
    assert "\x1b[31m{{" not in out
    assert "\x1b" not in agents("diff", "triage@1", "--json").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in agents("diff", "triage@1").out


def test_an_export_is_read_back_from_standard_input_and_changes_nothing() -> None:
    exported = agents("export", "triage")
    assert "\x1b" not in exported.out
    assert agents("import", "-", stdin=exported.out).out == "unchanged triage@2 on sim/sim-1\n"


def test_an_export_goes_to_a_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "agents.yaml"
    result = agents("export", "triage@1", "triage@2", "--output", str(path))
    assert result.out == f"Wrote 2 documents to {path}.\n"
    assert [file.name for file in tmp_path.iterdir()] == ["agents.yaml"]
    Agent.objects.update(slug="moved")
    read = agents("import", str(path), "--json")
    assert [(it["action"], it["agent"]) for it in read.data["documents"]] == [
        ("created", "triage@1"),
        ("updated", "triage@2"),
    ]


def test_all_agents_are_exported_or_those_that_are_named_but_not_nothing() -> None:
    assert agents("export", "--all").out == agents("export", "triage").out
    for wrong in ([], ["--all", "triage"]):
        assert agents("export", *wrong).code == 2


def test_a_dry_run_says_so_and_keeps_nothing() -> None:
    text = agents("export", "triage").out.replace("slug: triage", "slug: copy")
    result = agents("import", "-", "--dry-run", stdin=text)
    assert result.out == "created   copy@1 on sim/sim-1\nNothing was kept: this was a dry run.\n"
    assert not Agent.objects.filter(slug="copy").exists()


@pytest.mark.parametrize("raw", [b"a: \xff", b"", b"# nothing\n", b"x" * (8 * 2**20 + 1)], ids=lambda raw: str(raw[:9]))
def test_a_file_that_is_none_is_refused_in_one_line(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "agents.yaml").write_bytes(raw)
    result = agents("import", str(tmp_path / "agents.yaml"))
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)


def test_an_endless_file_is_not_read_to_its_end() -> None:
    assert "is larger than" in agents("import", "/dev/zero").err


def test_an_export_into_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert agents("export", "triage", "--output", str(tmp_path / "gone" / "x.yaml")).code == 2
