"""The embedded Valkey: started once, joined by others, robust against what a crash leaves."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import redis

from tests.support.waiting import wait_for
from workers.embedded import server as server_module
from workers.embedded import valkey
from workers.embedded.paths import LONGEST_SOCKET_PATH, valkey_socket
from workers.embedded.server import ServerState
from workers.embedded.valkey import EmbeddedValkey, ensure_redis
from workers.errors import ServerUnavailable

JOIN = """
import sys
from pathlib import Path
from workers.embedded.valkey import EmbeddedValkey

embedded = EmbeddedValkey(Path(sys.argv[1]))
embedded.ensure()
print(embedded.started_here, embedded.server.process().pid, flush=True)
if sys.stdin.readline():
    print(embedded.stop_if_mine(), flush=True)
"""


def client_of(embedded: EmbeddedValkey) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(embedded.server.socket_path))


def another_user(data_dir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", JOIN, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_it_starts_fast_keeps_an_append_only_file_and_opens_no_port(embedded: EmbeddedValkey) -> None:
    began = time.monotonic()
    embedded.ensure()
    assert time.monotonic() - began < 2
    settings = client_of(embedded).config_get("*")
    expected = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "port": "0"}
    assert {name: settings[name] for name in expected} == expected
    assert not [c for c in embedded.server.process().net_connections() if c.family != psutil.AF_LINK and c.laddr.port]


def test_only_this_user_can_enter_its_folder(embedded: EmbeddedValkey) -> None:
    embedded.ensure()
    assert oct(embedded.server.folder.stat().st_mode)[-3:] == "700"
    assert oct(embedded.server.socket_path.stat().st_mode)[-3:] == "700"


def test_a_folder_that_was_open_to_others_is_closed(embedded: EmbeddedValkey) -> None:
    embedded.server.folder.mkdir(mode=0o755)
    embedded.ensure()
    assert oct(embedded.server.folder.stat().st_mode)[-3:] == "700"


def test_a_folder_that_somebody_put_a_link_in_place_of_is_refused(embedded: EmbeddedValkey, tmp_path: Path) -> None:
    embedded.server.folder.symlink_to(tmp_path)
    with pytest.raises(ServerUnavailable, match="must be a folder of the user"):
        embedded.ensure()
    embedded.server.folder.unlink()


def test_asking_again_is_cheap(embedded: EmbeddedValkey) -> None:
    embedded.ensure()
    pid = embedded.server.process().pid
    began = time.monotonic()
    for _ in range(100):
        embedded.ensure()
    assert time.monotonic() - began < 0.5
    assert embedded.server.process().pid == pid


def test_two_processes_at_once_start_one_server_and_the_last_to_leave_does_not_stop_what_it_joined(
    embedded: EmbeddedValkey, short_folder: Path
) -> None:
    users = [another_user(short_folder) for _ in range(2)]
    told = [user.stdout.readline().split() for user in users]
    assert sorted(started for started, _ in told) == ["False", "True"]
    assert len({pid for _, pid in told}) == 1

    starter, joiner = sorted(zip(told, users, strict=True), key=lambda pair: pair[0][0] == "False")
    # The starter leaves first: the other still uses the server.
    assert starter[1].communicate("leave\n")[0].strip() == "False"
    assert joiner[1].communicate("leave\n")[0].strip() == "False"
    assert embedded.server.state() is ServerState.READY


def test_the_starter_stops_it_when_nobody_else_uses_it(embedded: EmbeddedValkey) -> None:
    embedded.ensure()
    process = embedded.server.process()
    assert embedded.stop_if_mine() is True
    wait_for(lambda: not process.is_running(), 2, "the server to be gone, not a zombie")
    assert embedded.server.state() is ServerState.DOWN
    assert embedded.stop_if_mine() is False


def test_a_user_that_was_killed_holds_nobody_up(embedded: EmbeddedValkey, short_folder: Path) -> None:
    embedded.ensure()
    user = another_user(short_folder)
    assert user.stdout.readline().startswith("False")
    user.kill()
    user.communicate()
    assert embedded.stop_if_mine() is True


def test_it_survives_its_starter_and_the_signals_of_its_group(embedded: EmbeddedValkey, short_folder: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", JOIN, str(short_folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    starter.stdout.readline()
    os.killpg(starter.pid, signal.SIGINT)
    starter.communicate()
    assert embedded.server.state() is ServerState.READY


def test_data_survive_kill_minus_nine_and_no_zombie_stays(embedded: EmbeddedValkey) -> None:
    embedded.ensure()
    client_of(embedded).set("kept", "yes")
    # everysec: what is older than a second is on disk; the kernel has it at once, and kill -9 is not a power cut.
    killed = embedded.server.process()
    killed.kill()
    wait_for(lambda: not psutil.pid_exists(killed.pid), 5, "the killed server to be gone, not a zombie")
    assert embedded.server.socket_path.exists()
    embedded.ensure()
    assert embedded.server.process().pid != killed.pid
    assert client_of(embedded).get("kept") == b"yes"


def test_the_process_id_of_somebody_else_after_a_reboot_is_neither_trusted_nor_killed(
    embedded: EmbeddedValkey,
) -> None:
    stranger = subprocess.Popen(["sleep", "30"])
    valkey.private_folder(embedded.server.folder)
    embedded.server.pid_path.write_text(str(stranger.pid))
    embedded.server.socket_path.touch()
    assert embedded.stop() is False
    embedded.ensure()
    assert client_of(embedded).ping()
    embedded.stop()
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_frozen_server_is_not_doubled_but_reported(embedded: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.ensure()
    process = embedded.server.process()
    process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(valkey, "FROZEN_SECONDS", 0.2)
    monkeypatch.setattr(server_module, "ANSWER_SECONDS", 0.2)
    with pytest.raises(ServerUnavailable, match=r"manage\.py down"):
        embedded.ensure()
    process.send_signal(signal.SIGCONT)
    embedded.ensure()
    assert embedded.server.process().pid == process.pid


def test_down_kills_a_server_that_does_not_listen(embedded: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.ensure()
    process = embedded.server.process()
    process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(server_module, "STOP_SECONDS", 0.3)
    assert embedded.stop() is True
    wait_for(lambda: not process.is_running(), 2, "the killed server to be gone, not a zombie")


def test_down_stops_what_others_use_and_they_can_start_it_again(embedded: EmbeddedValkey, short_folder: Path) -> None:
    user = EmbeddedValkey(short_folder)
    user.ensure()
    client_of(user).set("kept", 1)
    assert embedded.stop() is True
    assert embedded.stop() is False
    user.ensure()
    assert client_of(user).get("kept") == b"1"


def test_a_broken_append_only_file_is_reported_in_the_servers_words(embedded: EmbeddedValkey) -> None:
    embedded.ensure()
    embedded.stop()
    for part in (embedded.server.folder / "appendonlydir").glob("*.manifest"):
        part.write_text("this is no manifest\n")
    with pytest.raises(ServerUnavailable, match=r"did not start: .*manifest"):
        embedded.ensure()


def test_a_path_too_long_for_a_socket_gets_a_private_folder_elsewhere(short_folder: Path) -> None:
    long = short_folder / ("long-" * 20) / "data"
    embedded = EmbeddedValkey(long)
    assert len(os.fsencode(valkey_socket(long))) <= LONGEST_SOCKET_PATH
    try:
        embedded.ensure()
        assert client_of(embedded).ping()
        assert (long / "valkey" / "appendonlydir").is_dir()
        assert oct(embedded.server.socket_path.parent.stat().st_mode)[-3:] == "700"
    finally:
        embedded.stop()
        embedded.server.socket_path.parent.rmdir()


def test_a_given_redis_is_used_and_nothing_is_started(settings, short_folder: Path) -> None:
    settings.ARBORETUM_DATA_DIR = short_folder / "untouched"
    settings.REDIS_URL_GIVEN = "redis://127.0.0.1:1/0"
    ensure_redis()
    assert valkey.stop_if_mine() is False
    assert not (short_folder / "untouched").exists()


def test_settings_say_whose_server_it_is(settings, short_folder: Path) -> None:
    settings.ARBORETUM_DATA_DIR = short_folder
    ensure_redis()
    assert valkey.embedded().server.folder == short_folder / "valkey"
    assert valkey.stop() is True
