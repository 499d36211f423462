"""Completion as a person sees it: a real bash at a terminal, and Tab."""

import os
import pty
import re
import resource
import select
import shutil
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.models import Agent
from batches.models import Batch, Run
from credentials.models import Credential, User
from dashboard.completion.bash import bash_script
from dashboard.completion.fish import fish_script
from dashboard.completion.grammar import Line, Value, lines
from dashboard.completion.values import STATEMENTS, values
from tests.conftest import ROOT
from tests.support.commands import run_command
from tests.support.factories import make_agent, make_batch, make_credential, make_single_run, make_superuser, make_user

OWNED = {
    "agents": (Agent, "slug"),
    "batches": (Batch, "pk"),
    "credentials": (Credential, "name"),
    "runs": (Run, "pk"),
}


class Bash:
    """An interactive bash at a terminal of its own, with the completion loaded."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        script = folder / "completion.bash"
        script.write_text(bash_script(lines()))
        own, other = pty.openpty()
        termios.tcsetwinsize(own, (24, 400))
        variables = {**environment, "PS1": "$ ", "TERM": "dumb", "INPUTRC": str(folder / "readline"), "HISTFILE": ""}
        settings = (
            "bell-style none",
            "enable-bracketed-paste off",
            "show-all-if-ambiguous on",
            "page-completions off",
            "completion-query-items 0",
        )
        (folder / "readline").write_text("".join(f"set {line}\n" for line in settings))
        self._process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-i"],
            stdin=other,
            stdout=other,
            stderr=other,
            cwd=ROOT,
            env=variables,
            start_new_session=True,
        )
        os.close(other)
        self._terminal = own
        self._type(f"PATH={Path(sys.executable).parent}:$PATH; source {script}; echo rea''dy\n", "ready\r\n")

    def complete(self, line: str, until: str) -> str:
        """Type `line` and Tab; return what the terminal shows from then on, once it shows `until`."""
        shown = self._type(f"{line}\t", until)
        self._type("\x15", "")
        return shown

    def _type(self, text: str, until: str) -> str:
        os.write(self._terminal, text.encode())
        shown, deadline = "", time.monotonic() + 20
        while not re.search(until, shown):
            assert time.monotonic() < deadline, f"{until!r} was not shown: {shown!r}"
            if select.select([self._terminal], [], [], 0.2)[0]:
                shown += os.read(self._terminal, 65536).decode(errors="replace")
        return shown

    def close(self) -> None:
        """End the shell."""
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)


@pytest.fixture
def bash(worker_env: dict[str, str], tmp_path: Path) -> Iterator[Bash]:
    shell = Bash(worker_env, tmp_path)
    yield shell
    shell.close()


def test_bash_completes_commands_options_choices_names_and_ids(bash: Bash, tmp_path: Path) -> None:
    admin = make_superuser(username="root")
    make_agent(admin, slug="triage-agent")
    make_credential(admin, name="openai-main")
    batch = make_batch(make_user(username="clerk"))
    (tmp_path / "inputs.csv").touch()
    for typed, becomes in (
        ("python manage.py cred", "python manage.py credentials $"),
        ("python manage.py agents exp", "agents export $"),
        ("./manage.py batches run x --prio", "--priority $"),
        ("manage.py batches run x y --priority ur", "--priority urgent $"),
        ("python manage.py agents create x --prompt 'a b {{ c }}' --cred", "--credential $"),
        ("python manage.py agents show tri", "agents show triage-agent $"),
        ("python manage.py agents create x --credential open", "--credential openai-main $"),
        ("python manage.py agents create x --credential=open", "--credential=openai-main $"),
        (f"python manage.py batches run triage-agent@1 {tmp_path}/inp", "inputs.csv $"),
        (f"python manage.py batches watch {str(batch.pk)[:1]}", f"watch {batch.pk} $"),
        ("python manage.py agents list --as cle", "--as clerk $"),
    ):
        assert bash.complete(typed, re.escape(becomes[:-1]) + "$")


def test_bash_shows_all_that_may_stand_there_at_once(bash: Bash) -> None:
    shown = bash.complete("python manage.py batches ", r"watch[^$]*\$ ")
    assert {"run", "create", "watch", "retry", "export"} <= set(shown.split())


def test_bash_leaves_other_python_programs_alone(bash: Bash, tmp_path: Path) -> None:
    (tmp_path / "other.py").touch()
    assert bash.complete(f"python {tmp_path}/oth", "other.py $")


def test_the_script_needs_no_python_for_what_the_parsers_know(tmp_path: Path) -> None:
    (tmp_path / "c.bash").write_text(bash_script(lines()))
    asked = 'COMP_WORDS=(manage.py batches list --state pau); COMP_CWORD=4; _arboretum; echo "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "--norc", "-c", f"source {tmp_path}/c.bash; PATH=; {asked}"],
        capture_output=True,
        text=True,
        env={},
        check=False,
    )
    assert (done.stdout, done.stderr) == ("paused\n", "")


def test_every_command_and_option_of_ours_is_in_the_scripts() -> None:
    found = {line.words: line for line in lines()}
    assert {"agents create", "batches run", "demo", "completion"} <= set(found)
    assert found["batches run"].options["--priority"] == Value(words=("low", "normal", "high", "urgent"))
    assert found["batches run"].options["--start-workers"] is None
    assert [place.kind for place in found["batches run"].positionals] == ["agents", "files"]
    assert [place.kind for place in found["runs show"].positionals] == ["runs"]
    for script in (bash_script(list(found.values())), fish_script(list(found.values()))):
        assert all(option in script for line in found.values() for option in line.options)


def test_what_a_parser_says_cannot_break_out_of_the_script() -> None:
    hostile = Line("x", "", {"--a'$(id)": Value(words=("b`id`",))}, ())
    script = bash_script([hostile])
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert done.returncode == 0
    assert "'\"'\"'" in script


@pytest.mark.parametrize("shell", [shell for shell in ("bash", "zsh", "fish") if shutil.which(shell)])
def test_the_command_prints_a_script_that_its_shell_takes(shell: str, tmp_path: Path) -> None:
    script = run_command("completion", shell)
    assert (script.code, script.err) == (0, "")
    (tmp_path / "script").write_text(script.out)
    assert subprocess.run([shell, "-n", str(tmp_path / "script")], check=False).returncode == 0


def test_nothing_or_both_is_refused() -> None:
    assert run_command("completion").code == 2
    assert run_command("completion", "bash", "--values", "agents").code == 2
    assert run_command("completion", "tcsh").code == 2


@pytest.mark.django_db
class TestValues:
    @pytest.mark.security
    @pytest.mark.parametrize("kind", OWNED)
    def test_they_are_what_the_acting_user_may_see(self, kind: str) -> None:
        admin, clerk = make_superuser(username="root"), make_user(username="clerk")
        for owner in (admin, clerk):
            agent = make_agent(owner)
            assert agent.current_version
            make_batch(version=agent.current_version, rows=1)
            make_single_run(agent.current_version)
        model, field = OWNED[kind]
        for user in (admin, clerk):
            rows = model.objects.visible_to(user)
            expected = rows.filter(batch=None) if kind == "runs" else rows
            assert values(kind, user.username) == [
                str(name) for name in expected.order_by("-pk" if field == "pk" else field).values_list(field, flat=True)
            ]
        assert values(kind) == values(kind, "root")

    def test_there_are_none_for_nobody_and_for_two_superusers(self) -> None:
        make_agent(slug="triage")
        assert values("agents") == []
        make_superuser(), make_superuser()
        assert values("agents") == []
        assert values("agents", "gone") == []

    def test_only_oneself_and_for_superusers_all_users(self) -> None:
        make_superuser(username="root"), make_user(username="clerk"), make_user(username="left", is_active=False)
        assert values("users") == ["clerk", "root"]
        assert values("users", "clerk") == ["clerk"]

    @pytest.mark.security
    def test_a_name_that_a_shell_would_act_on_is_not_offered(self) -> None:
        make_agent(make_superuser(username="root"), slug="$(id)")
        User.objects.create(username="a b;id")
        assert values("agents") == []
        assert values("users") == ["root"]


def cpu_seconds(command: list[str], environment: dict[str, str]) -> tuple[bytes, float]:
    """Run a command; return what it printed and the CPU seconds that it took, which other programs do not change."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stderr == b""
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_values_are_answered_well_under_a_second(worker_env: dict[str, str]) -> None:
    make_agent(make_superuser(), slug="triage")
    # Coverage would be measured, too.
    environment = {name: value for name, value in worker_env.items() if not name.startswith("COV")}
    command = [sys.executable, "manage.py"]
    answers = [cpu_seconds([*command, "completion", "--values", "agents"], environment) for _ in range(3)]
    assert {out for out, _ in answers} == {b"triage\n"}
    whole = cpu_seconds([*command, "agents", "list"], environment)[1]
    assert min(seconds for _, seconds in answers) < min(1.0, 0.8 * whole)


def test_what_cannot_be_answered_is_silent(worker_env: dict[str, str]) -> None:
    assert set(STATEMENTS) == {*OWNED, "users"}
    for wrong, variables in ((["gone"], {}), ([], {}), (["agents"], {"DATABASE_URL": "sqlite:////gone/x"})):
        command = [sys.executable, "manage.py", "completion", "--values", *wrong]
        done = subprocess.run(command, cwd=ROOT, env={**worker_env, **variables}, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")
