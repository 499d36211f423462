"""Reading the environment: nothing raises; what is wrong is noted."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from arboretum.settings import environment
from arboretum.settings.environment import CheckedEnv, encryption_keys, kept_secret, secret_key, trusted_origins


@pytest.fixture
def data_dir(monkeypatch, tmp_path):
    """A data directory of its own, outside production, with no secrets given."""
    monkeypatch.setattr(environment, "DATA_DIR", tmp_path)
    monkeypatch.setattr(environment, "IS_PRODUCTION", False)
    monkeypatch.delenv("SECRET_KEY", raising=False)
    monkeypatch.delenv("ARBORETUM_ENCRYPTION_KEYS", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("method", "text", "default", "problem"),
    [
        ("int", "8o00", 8000, "X must be a whole number."),
        ("float", "soon", 1.5, "X must be a number."),
        ("bool", "ture", False, "X must be a truth value"),
    ],
)
def test_a_malformed_value_is_noted_without_being_repeated(monkeypatch, method, text, default, problem):
    monkeypatch.setenv("X", text)
    env = CheckedEnv()
    assert getattr(env, method)("X", default=default) == default
    assert len(env.problems) == 1
    assert env.problems[0].startswith(problem)
    assert text not in env.problems[0]


@pytest.mark.parametrize(
    ("method", "text", "value"),
    [("int", "5", 5), ("float", "0.5", 0.5), ("bool", "True", True), ("bool", "0", False), ("bool", "off", False)],
)
def test_well_formed_values_are_read(monkeypatch, method, text, value):
    monkeypatch.setenv("X", text)
    env = CheckedEnv()
    assert (getattr(env, method)("X", default=None), env.problems) == (value, [])


@pytest.mark.parametrize(("method", "default"), [("int", 1), ("bool", True), ("str", "a"), ("list", ["b"])])
def test_an_empty_variable_counts_as_not_set(monkeypatch, method, default):
    monkeypatch.setenv("X", " ")
    env = CheckedEnv()
    assert (getattr(env, method)("X", default=default), env.problems) == (default, [])


@pytest.mark.parametrize(
    ("method", "text"),
    [("int", "0"), ("int", "11"), ("int", "-1"), ("float", "10.1"), ("float", "0.9")],
)
def test_a_number_out_of_its_range_is_noted_and_its_default_taken(monkeypatch, method, text):
    monkeypatch.setenv("X", text)
    env = CheckedEnv()
    assert getattr(env, method)("X", default=5, least=1, most=10) == 5
    assert env.problems == ["X must be from 1 to 10."]


@pytest.mark.parametrize("text", ["nan", "inf", "-inf"])
def test_what_is_no_finite_number_is_noted(monkeypatch, text):
    monkeypatch.setenv("X", text)
    env = CheckedEnv()
    assert (env.float("X", default=5.0, least=1, most=10), env.problems) == (5.0, ["X must be a number."])


@pytest.mark.parametrize("text", ["1", "10"])
def test_the_ends_of_a_range_belong_to_it(monkeypatch, text):
    monkeypatch.setenv("X", text)
    env = CheckedEnv()
    assert (env.int("X", default=5, least=1, most=10), env.problems) == (int(text), [])


@pytest.mark.parametrize(
    ("text", "value"),
    [("", ["::1"]), ("*", ["*"]), ("10.0.0.7,172.16.0.0/12,fd00::/8", ["10.0.0.7", "172.16.0.0/12", "fd00::/8"])],
)
def test_addresses_and_networks(monkeypatch, text, value):
    monkeypatch.setenv("X", text)
    env = CheckedEnv()
    assert (env.networks("X", default=["::1"]), env.problems) == (value, [])


@pytest.mark.parametrize("text", ["proxy", "10.0.0.1, 10.0.0.2", "10.0.0.1/8", "10.0.0.1,*", ","])
def test_what_is_no_address_is_noted(monkeypatch, text):
    monkeypatch.setenv("X", text)
    env = CheckedEnv()
    assert env.networks("X", default=["::1"]) == ["::1"]
    assert len(env.problems) == 1
    assert env.problems[0].startswith("X must be IP addresses or networks")


def test_origins_follow_from_the_allowed_hosts():
    assert trusted_origins(["arb.example", ".team.example", "[::1]", "*", ""]) == [
        "https://arb.example",
        "https://team.example",
        "https://*.team.example",
        "https://[::1]",
    ]


def test_one_of_names_what_is_allowed(monkeypatch):
    monkeypatch.setenv("X", "purple")
    env = CheckedEnv()
    assert env.one_of("X", ("red", "green"), "red") == "red"
    assert env.problems == ["X must be one of: red, green."]
    monkeypatch.setenv("X", "green")
    assert env.one_of("X", ("red", "green"), "red") == "green"


@pytest.mark.parametrize(
    ("url", "engine", "name", "host"),
    [
        ("postgresql://user:p%23ss@db:5432/name", "postgresql", "name", "db"),
        ("postgresql://user@//run/postgresql/name", "postgresql", "name", "/run/postgresql"),
        ("sqlite:////data/a.sqlite3", "sqlite3", "/data/a.sqlite3", ""),
    ],
)
def test_addresses_of_databases(url, engine, name, host):
    env = CheckedEnv()
    config = env.database(url)
    assert (config["ENGINE"].rsplit(".")[-1], config["NAME"], config["HOST"]) == (engine, name, host)
    assert env.problems == []


@pytest.mark.parametrize(
    "url",
    [
        "hunter2",
        "postgres:/name",
        "mysql://user:hunter2@host/name",
        "postgresql://user:hunter2@host:port/name",
        "postgresql://user:hunter2@host",
        "postgresql://user:hun#ter2@host/name",
        "postgess://user:hunter2@host/name",
        "://",
    ],
)
def test_malformed_addresses_of_databases_are_noted_and_never_repeated(url, recwarn):
    env = CheckedEnv()
    assert env.database(url)["ENGINE"] == "django.db.backends.dummy"
    assert len(env.problems) == 1
    assert env.problems[0].startswith("DATABASE_URL must be like")
    assert "hunter2" not in env.problems[0]
    assert [str(warning.message) for warning in recwarn] == []


def test_development_makes_its_secrets_once_and_keeps_them_private(data_dir):
    assert secret_key() == secret_key()
    assert len(secret_key()) >= 50
    keys = encryption_keys()
    assert keys == encryption_keys()
    Fernet(keys[0])
    folder = data_dir / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {
        "secret_key": 0o600,
        "encryption_key": 0o600,
    }


def test_processes_that_start_at_once_agree_on_a_secret(data_dir):
    with ThreadPoolExecutor(16) as pool:
        made = set(pool.map(lambda number: kept_secret("shared", lambda: f"secret {number}"), range(64)))
    assert len(made) == 1
    assert [file.name for file in (data_dir / "secrets").iterdir()] == ["shared"]


def test_production_makes_no_secrets(data_dir, monkeypatch):
    monkeypatch.setattr(environment, "IS_PRODUCTION", True)
    assert (secret_key(), encryption_keys()) == ("", [])
    assert list(data_dir.iterdir()) == []


def test_given_secrets_are_taken_as_they_are(data_dir, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "$ecret")
    monkeypatch.setenv("ARBORETUM_ENCRYPTION_KEYS", "one, two,,")
    assert (secret_key(), encryption_keys()) == ("$ecret", ["one", "two"])


def test_an_unwritable_data_directory_does_not_raise(data_dir, monkeypatch):
    file = data_dir / "file"
    file.write_text("")
    monkeypatch.setattr(environment, "DATA_DIR", Path(file, "var"))
    assert (secret_key(), encryption_keys()) == ("", [])
