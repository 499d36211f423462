"""Each check of the doctor, shown what it is there to find."""

import datetime as dt
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.utils import timezone

from batches.execution.journal import journal_path
from batches.execution.pilots import pilot_reason
from batches.states import BatchState
from credentials.models import ProviderModel
from dashboard.doctor import installation, machine, stores
from dashboard.doctor.at_work import look_at_batches, look_at_workers
from dashboard.doctor.checks import chosen_checks
from dashboard.doctor.findings import Check, Finding, Level, down, ok, run_checks
from dashboard.doctor.keys import look_at_blocks, look_at_credentials, look_at_keys, look_online
from tests.conftest import ROOT
from tests.support.commands import run_command
from tests.support.factories import make_batch, make_credential
from tests.support.provider_server.process import ProviderServer
from workers import redis as redis_client
from workers.code import code_fingerprint
from workers.presence import announce

ALL_QUEUES = "batch,control,interactive"


def found(findings: Iterable[Finding], level: Level = Level.PROBLEM) -> str:
    """Return the texts and the advice of all findings of a level."""
    texts = [f"{it.text} -> {it.advice}" for it in findings if it.level is level]
    assert all(text.rpartition("->")[2].strip() for text in texts if level is not Level.OK), "advice is missing"
    return "\n".join(texts)


def only_ok(findings: Iterable[Finding]) -> bool:
    return {it.level for it in findings} == {Level.OK}


def doctor(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "doctor", *arguments]
    environment = {**os.environ, **variables}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


class TestInstallation:
    def test_libraries_as_locked_are_fine(self) -> None:
        assert only_ok(installation.look_at_python())

    def test_a_missing_library_and_one_of_another_version_are_named(self, tmp_path: Path, settings) -> None:
        settings.BASE_DIR = tmp_path
        (tmp_path / "requirements.txt").write_text(
            "django==1.0 \\\n    --hash=sha256:0\nno-such-thing==2\nredis[hiredis]==0\n"
        )
        findings = list(installation.look_at_python())
        assert "no-such-thing" in found(findings)
        warned = found(findings, Level.WARNING)
        assert f"django {metadata.version('django')} (locked: 1.0)" in warned
        assert "redis" in warned

    def test_an_old_python_is_a_problem(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(installation, "OLDEST_PYTHON", (9, 0))
        assert "is too old" in found(installation.look_at_python())

    def test_settings_that_the_system_checks_refuse_are_told_with_their_hint(self, settings) -> None:
        settings.ARBORETUM_ENV = "nowhere"
        assert "ARBORETUM_ENV is 'nowhere'" in found(installation.look_at_settings())

    def test_debug_is_a_warning_in_development(self, settings) -> None:
        assert only_ok(installation.look_at_settings())
        settings.DEBUG = True
        assert "DEBUG is on" in found(installation.look_at_settings(), Level.WARNING)


class TestServersThatAreDown:
    def test_it_tells_which_are_and_checks_the_rest(self) -> None:
        done = doctor("--json", DATABASE_URL="postgresql://u:hidden@127.0.0.1:1/x", REDIS_URL="redis://127.0.0.1:1/0")
        report = {check["name"]: check["findings"][0] for check in json.loads(done.stdout)["checks"]}
        assert done.returncode == 1
        assert report["database"]["text"].startswith("The database does not answer")
        assert report["redis"]["text"].startswith("Redis does not answer")
        assert report["keys"]["level"] == report["clocks"]["level"] == "not checked"
        assert report["python"]["level"] == report["disk"]["level"] == "ok"
        assert "hidden" not in done.stdout + done.stderr

    def test_servers_that_take_calls_and_never_answer_do_not_hold_it_up(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            began = time.monotonic()
            done = doctor(DATABASE_URL=f"postgresql://u@127.0.0.1:{port}/x", REDIS_URL=f"redis://127.0.0.1:{port}/0")
        assert done.returncode == 1
        assert "problem      database" in done.stdout
        assert "problem      redis" in done.stdout
        assert time.monotonic() - began < 25

    def test_an_empty_database_lacks_migrations_and_one_in_memory_has_no_wal(self, tmp_path: Path) -> None:
        done = doctor(DATABASE_URL="sqlite://:memory:", ARBORETUM_DATA_DIR=str(tmp_path))
        assert done.returncode == 1
        assert "The database lacks" in done.stdout
        assert "journal mode is memory" in done.stdout
        assert "The embedded Valkey does not run" in done.stdout

    def test_a_broken_configuration_does_not_keep_it_from_telling(self) -> None:
        done = doctor(
            ARBORETUM_ENV="production", SECRET_KEY="", ARBORETUM_ENCRYPTION_KEYS="x", DATABASE_URL="mysql://x"
        )
        assert done.returncode == 1
        assert "SECRET_KEY is not set" in done.stdout
        assert "key 1 of 1 is malformed" in done.stdout
        assert "DATABASE_URL must be like" in done.stdout


class TestRedis:
    @pytest.fixture
    def config(self) -> Iterator[Callable[[str, str], None]]:
        client = redis_client.connection()
        before: dict[str, str] = {}

        def change(name: str, value: object) -> None:
            before.setdefault(name, client.config_get(name)[name])
            client.config_set(name, value)

        yield change
        for name, value in before.items():
            client.config_set(name, value)

    def test_as_the_embedded_one_is_started_all_is_well(self) -> None:
        assert only_ok(stores.look_at_redis())

    def test_a_server_that_throws_keys_away_is_a_problem(self, config) -> None:
        config("maxmemory-policy", "allkeys-lru")
        assert "maxmemory-policy is allkeys-lru" in found(stores.look_at_redis())

    def test_a_server_that_forgets_at_a_restart_is_a_warning(self, config) -> None:
        config("appendonly", "no")
        assert "appendonly is off" in found(stores.look_at_redis(), Level.WARNING)

    def test_a_server_whose_memory_is_nearly_full_is_a_warning(self, config) -> None:
        config("maxmemory", int(redis_client.connection().info()["used_memory"] * 1.1))
        assert "of its memory is used" in found(stores.look_at_redis(), Level.WARNING)

    def test_an_old_or_slow_server_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stores, "OLDEST_VERSION", (99, 0))
        monkeypatch.setattr(stores, "SLOW_MS", 0)
        findings = list(stores.look_at_redis())
        assert "is too old" in found(findings)
        assert "An answer takes" in found(findings, Level.WARNING)


@pytest.mark.django_db
class TestDatabase:
    def test_the_tests_own_is_fine(self) -> None:
        assert only_ok(stores.look_at_database())

    def test_a_slow_one_and_one_that_is_nearly_full_are_warnings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stores, "SLOW_MS", 0)
        monkeypatch.setattr(stores, "FULL_SHARE", 0)
        warned = found(stores.look_at_database(), Level.WARNING)
        assert "An answer takes" in warned
        assert ("connections are in use" in warned) == (connection.vendor == "postgresql")


@pytest.mark.django_db
class TestKeys:
    def test_those_that_only_an_older_encryption_key_opens_would_be_lost(self, settings) -> None:
        make_credential(name="old", key="sk-0000000000000000")
        assert only_ok(look_at_keys())
        settings.ARBORETUM_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.ARBORETUM_ENCRYPTION_KEYS]
        make_credential(name="new", key="sk-0000000000000000")
        warned = found(look_at_keys(), Level.WARNING)
        assert "dropped: old." in warned
        assert "credentials rotate" in warned

    def test_those_that_no_key_opens_are_a_problem(self, settings) -> None:
        make_credential(name="lost", key="sk-0000000000000000")
        settings.ARBORETUM_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
        findings = list(look_at_keys())
        assert "No encryption key opens: lost." in found(findings)
        assert "0 of 1 stored keys" in found(findings, Level.OK)

    def test_what_a_provider_blocked_is_a_warning_that_says_how_to_lift_it(self) -> None:
        credential = make_credential(name="openai")
        assert only_ok(look_at_blocks())
        later = timezone.now() + dt.timedelta(hours=1)
        ProviderModel.objects.create(credential=credential, name="gpt", blocked_until=later)
        assert "models unblock openai gpt" in found(look_at_blocks(), Level.WARNING)
        credential.blocked_until = later
        credential.save()
        assert "openai is blocked by its provider" in found(look_at_blocks(), Level.WARNING)

    def test_disabled_credentials_are_told(self) -> None:
        assert only_ok(look_at_credentials())
        make_credential(name="off", is_active=False)
        assert "disabled: off" in found(look_at_credentials(), Level.OK)


@pytest.mark.django_db(transaction=True)
def test_online_each_key_is_shown_to_its_provider() -> None:
    with ProviderServer(keys=["sk-right-0000000000"]) as server:
        for name in ("right", "wrong"):
            make_credential(name=name, provider="openai", key=f"sk-{name}-0000000000", base_url=server.base_url)
        make_credential(name="off", provider="openai", key="sk-x", base_url=server.base_url, is_active=False)
        findings = list(look_online())
        assert "right works: 2 models" in found(findings, Level.OK)
        assert found(findings).startswith("wrong does not work: ")
        assert "--key-env VARIABLE" in found(findings)
        result = run_command("doctor", "--online")
    assert result.code == 1
    assert "(invalid_key)" in result.out
    assert "off does not" not in result.out


class TestAtWork:
    def test_no_worker_and_a_queue_that_none_serves(self) -> None:
        assert "No worker is running" in found(look_at_workers(), Level.WARNING)
        announce("one", {"slots": 5, "busy": 1, "queues": "batch,control", "code": code_fingerprint()})
        assert "No worker serves the queue interactive." in found(look_at_workers())
        announce("two", {"slots": 5, "busy": 1, "queues": ALL_QUEUES, "code": code_fingerprint()})
        assert only_ok(look_at_workers())

    def test_a_worker_of_other_code_and_a_silent_one(self) -> None:
        announce("old", {"slots": 5, "busy": 1, "queues": ALL_QUEUES, "code": "0ld"})
        announce("new", {"slots": 5, "busy": 1, "queues": ALL_QUEUES, "code": code_fingerprint()})
        redis_client.connection().hincrby("arboretum:worker:old", "heard_at", -9)
        warned = found(look_at_workers(), Level.WARNING)
        assert "runs in: old." in warned
        assert "old has been silent for" in warned

    @pytest.mark.django_db
    def test_a_running_batch_that_nobody_works_on(self) -> None:
        make_batch(rows=2)
        assert only_ok(look_at_batches())
        batch = make_batch(rows=2, state=BatchState.RUNNING)
        assert f"Nobody works on batch {batch.pk}" in found(look_at_batches())

    @pytest.mark.django_db
    def test_a_batch_that_was_paused_for_a_fault(self) -> None:
        make_batch(rows=2, state=BatchState.PAUSED)
        make_batch(rows=2, state=BatchState.PAUSED, state_reason=pilot_reason(20))
        assert only_ok(look_at_batches())
        batch = make_batch(rows=2, state=BatchState.PAUSED, state_reason="The key of credential 'a' was refused.")
        warned = found(look_at_batches(), Level.WARNING)
        assert f"Batch {batch.pk} " in warned
        assert "2 rows are left: The key of credential 'a' was refused. -> Then: " in warned


class TestMachine:
    @pytest.mark.django_db
    def test_a_clock_that_is_off_is_told_with_the_harm(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert only_ok(machine.look_at_clocks())
        real = time.time
        for offset, level in ((-2, Level.WARNING), (60, Level.PROBLEM)):
            monkeypatch.setattr(machine.time, "time", lambda offset=offset: real() + offset)
            told = found(machine.look_at_clocks(), level)
            assert ("behind that of Redis" if offset < 0 else "ahead of that of Redis") in told

    def test_a_disk_with_little_space(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machine, "LOW_FREE", 2**60)
        assert "GiB are free" in found(machine.look_at_disk(), Level.WARNING)
        monkeypatch.setattr(machine, "MIN_FREE", 2**60)
        assert "GiB are free" in found(machine.look_at_disk())

    @pytest.mark.django_db
    def test_a_journal_that_a_dead_worker_left(self) -> None:
        assert only_ok(machine.look_at_journals())
        path = journal_path("host:1:1")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        try:
            assert "1 journals of dead workers wait" in found(machine.look_at_journals(), Level.WARNING)
        finally:
            path.unlink()

    def test_fewer_files_than_slots(self, settings) -> None:
        assert only_ok(machine.look_at_files())
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (600, hard))
        try:
            assert "A process may open 600 files; 500 slots need about 900." in found(machine.look_at_files())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def test_a_worker_that_has_nearly_all_its_files_open(self, monkeypatch: pytest.MonkeyPatch) -> None:
        announce("full", {"slots": 5, "busy": 1, "queues": ALL_QUEUES})
        announce("gone", {"slots": 5, "busy": 1, "queues": ALL_QUEUES, "pid": 2**22 + 1})
        assert only_ok(machine.look_at_open_files())
        monkeypatch.setattr(machine, "FULL_SHARE", 0)
        told = found(machine.look_at_open_files())
        assert "full has" in told
        assert "gone" not in told


class TestRunning:
    def test_a_check_that_hangs_or_breaks_is_told_and_the_others_go_on(self) -> None:
        def broken() -> list[Finding]:
            raise RuntimeError("no such thing")

        checks = [
            Check("slow", lambda: time.sleep(20) or [], seconds=0.2),
            Check("broken", broken),
            Check("fine", lambda: [ok("yes")]),
            Check("needy", lambda: [ok("never")], ("slow",)),
            Check("able", lambda: [ok("yes")], ("fine",)),
        ]
        began = time.monotonic()
        reports = {report.name: report.findings[0] for report in run_checks(checks)}
        assert time.monotonic() - began < 5
        assert "No answer within 0.2 s" in reports["slow"].text
        assert "no such thing" in reports["broken"].text
        assert reports["needy"].level is Level.UNKNOWN
        assert (reports["fine"].level, reports["able"].level) == (Level.OK, Level.OK)

    def test_what_is_down_without_a_problem_is_not_asked_either(self) -> None:
        checks = [Check("a", lambda: [down("off", "start it", Level.UNKNOWN)]), Check("b", lambda: [ok("x")], ("a",))]
        assert [it.findings[0].level for it in run_checks(checks)] == [Level.UNKNOWN, Level.UNKNOWN]

    @pytest.mark.django_db(transaction=True)
    def test_the_command_exits_by_problems_alone_and_names_every_check(self, monkeypatch: pytest.MonkeyPatch) -> None:
        result = run_command("doctor")
        assert (result.code, result.err) == (0, "")
        assert all(f"  {check.name}  " in result.out.replace("   ", "  ") for check in chosen_checks(online=False))
        assert result.out.endswith("0 problems, 1 warning.\n")
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert "\x1b[32mok" in run_command("doctor").out
        make_batch(rows=1, state=BatchState.RUNNING)
        assert run_command("doctor", "--json").code == 1
        assert run_command("doctor", "--nothing").code == 2
