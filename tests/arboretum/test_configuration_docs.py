"""docs/configuration.md tells every variable that the settings read, and what starts the stack agrees with itself."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENT = ROOT / "docs" / "configuration.md"
SETTINGS = ROOT / "arboretum" / "settings"
# How the settings read a variable; environment.py has methods of its own for what django-environ lacks.
READ = re.compile(
    r"""env\.(?:str|int|float|bool|list|json|url|one_of|networks|schemes|ports|places|ENVIRON\.get)\(\s*["']([A-Z][A-Z0-9_]*)["']"""
)
ROW = re.compile(r"^\| `([A-Z][A-Z0-9_]*)` \| (.+?) \| (.+) \|$", re.MULTILINE)


def documented() -> dict[str, str]:
    """Return each documented variable with its default."""
    return {name: default for name, default, _ in ROW.findall(DOCUMENT.read_text())}


def read_by_settings() -> set[str]:
    return {name for path in SETTINGS.glob("*.py") for name in READ.findall(path.read_text())}


def test_every_variable_that_the_settings_read_is_documented() -> None:
    names = read_by_settings()
    assert {"DATABASE_URL", "SECRET_KEY", "ARBORETUM_WORKER_SLOTS"} <= names
    assert names - set(documented()) == set()


def test_every_documented_variable_is_read() -> None:
    others = {"REQUIRE_POSTGRESQL"}  # read by tests/run.py
    assert set(documented()) - others - read_by_settings() == set()


def test_no_variable_is_read_past_the_settings_own_reader() -> None:
    sources = [path for path in SETTINGS.glob("*.py") if path.name != "environment.py"]
    assert not [path.name for path in sources if re.search(r"os\.(environ|getenv)", path.read_text())]


@pytest.mark.parametrize("name", ["ARBORETUM_WORKER_SLOTS", "ARBORETUM_WORKER_THREADS", "PORT", "DEBUG"])
def test_documented_defaults_are_the_real_ones(name: str) -> None:
    sources = "".join(path.read_text() for path in SETTINGS.glob("*.py"))
    default = re.search(rf'"{name}",[^)]*?default="?([^",)]+)', sources).group(1)
    assert documented()[name] == f"`{'0' if default == 'False' else default}`"


def procfile() -> dict[str, str]:
    lines = (ROOT / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if line)


def services() -> dict[str, dict]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def plain(command: str) -> str:
    """Return what a compose command runs: without the shell that expands variables, and with its dollars undoubled."""
    inner = re.fullmatch(r'sh -c "exec (.*)"', command.strip())
    return (inner.group(1) if inner else command).replace("$$", "$")


def test_compose_runs_what_the_procfile_runs() -> None:
    commands = {name: plain(services()[name]["command"]) for name in procfile()}
    assert commands == procfile()


def test_flowers_buttons_work_however_it_is_started() -> None:
    assert "FLOWER_UNAUTHENTICATED_API=true" in procfile()["flower"]
    assert "FLOWER_UNAUTHENTICATED_API=true" in services()["flower"]["command"]


def test_the_web_believes_the_proxies_that_the_setting_names() -> None:
    assert (
        f"--forwarded-allow-ips=${{TRUSTED_PROXIES:-{documented()['TRUSTED_PROXIES'].strip('`')}}}" in procfile()["web"]
    )


def test_flowers_health_check_fails_on_a_socket_that_nobody_listens_on(short_folder: Path) -> None:
    command = services()["flower"]["healthcheck"]["test"]
    path = str(short_folder / "flower.sock")
    words = [sys.executable if word == "python" else word.replace("/data/flower.sock", path) for word in command[1:]]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        assert subprocess.run(words, check=False).returncode == 0
    assert Path(path).exists()
    assert subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode != 0


@pytest.mark.parametrize(
    "name", ["PORT", *(f"ARBORETUM_{name}" for name in ("WORKER_SLOTS", "WORKER_THREADS", "LEASE_SECONDS"))]
)
def test_documented_ranges_are_the_real_ones(name: str) -> None:
    sources = "".join(path.read_text() for path in SETTINGS.glob("*.py"))
    least, most = re.search(rf'"{name}",.*?least=(\w+), most=(\w+)', sources).groups()
    row = next(meaning for other, _, meaning in ROW.findall(DOCUMENT.read_text()) if other == name)
    assert f"rom {least} to {int(most)}" in row


def test_the_image_starts_the_web_as_the_procfile_does() -> None:
    last = (ROOT / "Dockerfile").read_text().splitlines()[-1]
    assert procfile()["web"] in last


def test_everything_waits_for_the_migration_and_is_watched() -> None:
    found = services()
    assert set(found) == {"postgres", "redis", "migrate", "web", "worker", "flower"}
    for name in ("web", "worker", "flower"):
        assert found[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully", name
        assert found[name]["depends_on"]["redis"]["condition"] == "service_healthy", name
    assert all("healthcheck" in found[name] for name in found if name != "migrate")


def test_only_the_web_has_a_port_and_only_on_this_machine() -> None:
    ports = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert ports == {"web": ["127.0.0.1:${PORT:-8000}:8000"]}


def test_a_worker_gets_longer_than_its_calls_in_flight() -> None:
    grace = float(documented()["ARBORETUM_GRACE_SECONDS"].strip("`"))
    assert float(services()["worker"]["stop_grace_period"].rstrip("s")) > grace


def test_the_redis_of_the_containers_evicts_nothing() -> None:
    assert "--maxmemory-policy noeviction" in services()["redis"]["command"]
    assert "--appendonly yes" in services()["redis"]["command"]


def test_no_secret_has_a_default_in_the_containers() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert not re.search(r"(SECRET_KEY|ENCRYPTION_KEYS|PASSWORD)[^\n]*:-", text)


def test_the_image_holds_what_is_listed_and_no_secrets() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[0] == "*"
    copied = re.findall(r"^COPY (?!--from)(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {f"!{name}" for name in copied} == {line for line in lines if line.startswith("!")}
    user = re.search(r"^USER (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert user
    assert user.group(1) != "root"
