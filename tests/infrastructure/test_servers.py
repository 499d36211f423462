"""What all other tests stand on: private servers, real worker processes, nothing left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest
from celery import current_app
from django.conf import settings
from django.db import connection

from credentials.models import User
from tests.conftest import environment_key, uses_database
from tests.support import environment
from tests.support.environment import sweep_stale
from tests.support.postgres import PostgresCluster, postgres_programs
from tests.support.waiting import wait_for
from tests.support.worker_harness import Workers
from workers.embedded.paths import valkey_socket
from workers.embedded.server import ServerState, ValkeyServer
from workers.presence import live_workers


def manage(env: dict[str, str], code: str) -> str:
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "--command", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_callers_settings_do_not_leak_in() -> None:
    assert Path(settings.ARBORETUM_DATA_DIR).name.startswith(f"arb-{os.getpid()}-")
    assert settings.REDIS_URL_GIVEN == ""
    assert str(settings.ARBORETUM_DATA_DIR) in settings.REDIS_URL
    assert str(settings.ARBORETUM_DATA_DIR) in current_app.conf.broker_url


@pytest.mark.django_db
def test_the_database_is_the_one_that_was_asked_for(pytestconfig: pytest.Config) -> None:
    assert connection.vendor == pytestconfig.getoption("database")
    assert "test" in str(connection.settings_dict["NAME"])


def test_another_process_sees_the_tests_database_and_secrets(worker_env: dict[str, str]) -> None:
    User.objects.create(username="seen")
    code = "from django.conf import settings; from credentials.models import User; "
    seen = manage(worker_env, code + "print(User.objects.get().username, settings.ARBORETUM_ENCRYPTION_KEYS[0])")
    assert seen == f"seen {settings.ARBORETUM_ENCRYPTION_KEYS[0]}"


@pytest.mark.any_database
@pytest.mark.worker
def test_workers_start_die_freeze_and_start_again(worker_env: dict[str, str]) -> None:
    with Workers(2, env=worker_env, slots=7) as workers:
        killed, frozen = workers.pids
        wait_for(lambda: {worker.pid for worker in live_workers()} == {killed, frozen}, 10, "both to be announced")
        assert {worker.slots for worker in live_workers()} == {7}
        workers.kill(0)
        workers.stop(1)
        assert not current_app.control.ping(timeout=0.5)
        workers.stop(1, signal.SIGCONT)
        workers.restart(0)
        assert workers.pids[0] != killed
        assert workers.pids[1] == frozen
        assert len(current_app.control.ping(timeout=5, limit=2)) == 2
        workers.terminate(1)
        assert workers.wait(1) == 0
        assert "ready" in workers.log(0)


@pytest.mark.any_database
@pytest.mark.worker
def test_a_failing_block_shows_what_the_workers_wrote(worker_env: dict[str, str], capsys) -> None:
    with pytest.raises(ZeroDivisionError), Workers(1, env=worker_env):
        _ = 1 / 0
    assert "--- w0 ---" in capsys.readouterr().out


@pytest.mark.any_database
@pytest.mark.worker
def test_a_worker_that_cannot_start_is_reported_with_its_words(worker_env: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match="No such option"), Workers(1, env=worker_env, arguments=("--no-such",)):
        pass


@pytest.mark.any_database
@pytest.mark.worker
def test_a_worker_alone_starts_from_nothing(worker_env: dict[str, str], short_folder: Path) -> None:
    server = ValkeyServer(short_folder / "valkey", valkey_socket(short_folder))
    assert server.state() is ServerState.DOWN
    with Workers(1, env={**worker_env, "ARBORETUM_DATA_DIR": str(short_folder)}):
        assert server.state() is ServerState.READY
    # It may have other users: who is no supervisor does not stop it.
    assert server.state() is ServerState.READY
    assert server.stop()


def test_what_a_killed_session_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.tempfile, "gettempdir", lambda: str(tmp_path))
    ended = subprocess.Popen(["true"])
    ended.wait()
    stale, mine, strange = (tmp_path / name for name in (f"arb-{ended.pid}-x", f"arb-{os.getpid()}-x", "arb-1notes"))
    for folder in (stale, mine, strange):
        folder.mkdir()
    left = subprocess.Popen(["sleep", "30"], cwd=stale)
    sweep_stale()
    assert left.wait(5) == -signal.SIGKILL
    assert [folder.exists() for folder in (stale, mine, strange)] == [False, True, True]


def test_a_process_left_behind_is_noticed_by_its_mark_or_its_folder(pytestconfig: pytest.Config) -> None:
    ours = pytestconfig.stash[environment_key]
    marked = subprocess.Popen(["sleep", "30"])
    inside = subprocess.Popen(["sleep", "30"], cwd=ours.folder, env={"PATH": os.environ["PATH"]})
    stranger = subprocess.Popen(["sleep", "30"], cwd="/", env={"PATH": os.environ["PATH"]})
    try:
        found = {process.pid for process in ours.left_behind()}
        assert {marked.pid, inside.pid} <= found
        assert stranger.pid not in found
    finally:
        for process in (marked, inside, stranger):
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test_the_database_is_the_one_that_was_asked_for", True),
        ("test_another_process_sees_the_tests_database_and_secrets", True),
        ("test_the_callers_settings_do_not_leak_in", False),
    ],
)
def test_which_tests_postgresql_runs(name: str, expected: bool, request: pytest.FixtureRequest) -> None:
    collected = {item.name: item for item in request.node.parent.collect()}
    assert uses_database(collected[name]) is expected


@pytest.mark.skipif(postgres_programs() is None, reason="PostgreSQL's programs are not installed")
def test_a_cluster_keeps_its_data_over_a_restart_and_leaves_nothing() -> None:
    cluster = PostgresCluster()
    try:
        cluster.start()
        with psycopg2.connect(host=str(cluster.folder), user="arboretum", dbname="postgres") as client:
            client.cursor().execute("CREATE TABLE kept AS SELECT 17 AS value")
        client.close()
        cluster.shut_down()
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(host=str(cluster.folder), user="arboretum", dbname="postgres")
        cluster.start()
        client = psycopg2.connect(host=str(cluster.folder), user="arboretum", dbname="postgres")
        cursor = client.cursor()
        cursor.execute("SELECT value FROM kept")
        assert cursor.fetchone() == (17,)
        client.close()
    finally:
        cluster.stop()
    assert cluster.pid is None
    assert not cluster.folder.parent.exists()
