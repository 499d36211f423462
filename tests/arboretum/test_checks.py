"""A broken configuration is explained, and nothing starts on it."""

import os
import re
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet
from django.core.checks import run_checks

GOOD_SECRET = "abcdefghijklmnopqrstuvwxyz-0123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
START = {
    "command": [sys.executable, "manage.py", "tokens", "list"],
    "check": [sys.executable, "manage.py", "check", "--tag", "configuration"],
    "web": [sys.executable, "-c", "import arboretum.asgi"],
    "origins": [sys.executable, "-c", "from django.conf import settings as s; print(s.CSRF_TRUSTED_ORIGINS)"],
    "worker": [sys.executable, "-m", "celery", "-A", "arboretum", "worker", "--pool", "solo"],
}


@pytest.fixture
def production(settings):
    """A right configuration of production."""
    settings.ARBORETUM_ENV = "production"
    settings.SECRET_KEY = GOOD_SECRET
    settings.ALLOWED_HOSTS = ["arboretum.example.com"]
    settings.DEBUG = False
    settings.ARBORETUM_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    settings.REDIS_URL = "redis://redis:6379/0"
    return settings


def found():
    return [message.id for message in run_checks(tags=["configuration"])]


def test_a_right_configuration_passes(production):
    assert found() == []


@pytest.mark.parametrize(
    ("setting", "value", "identity"),
    [
        ("ARBORETUM_ENV", "prod", "arboretum.E001"),
        ("SECRET_KEY", "", "arboretum.E002"),
        ("SECRET_KEY", "changeme", "arboretum.E003"),
        ("SECRET_KEY", "a" * 60, "arboretum.E003"),
        ("SECRET_KEY", "django-insecure-" + GOOD_SECRET, "arboretum.E003"),
        ("DEBUG", True, "arboretum.E004"),
        ("ALLOWED_HOSTS", [], "arboretum.E005"),
        ("ALLOWED_HOSTS", [""], "arboretum.E005"),
        ("ALLOWED_HOSTS", ["*"], "arboretum.W001"),
        ("ARBORETUM_DATA_DIR", "/dev/null/var", "arboretum.E006"),
        ("REDIS_URL", "http://redis:6379", "arboretum.E008"),
        ("REDIS_URL", "redis:6379", "arboretum.E008"),
        ("REDIS_URL", "redis://", "arboretum.E008"),
        ("REDIS_URL", "redis://host:port", "arboretum.E008"),
        ("REDIS_URL", "redis://[::1", "arboretum.E008"),
        ("REDIS_URL", "unix://", "arboretum.E008"),
        ("ARBORETUM_ENCRYPTION_KEYS", [], "credentials.E001"),
        ("ARBORETUM_ENCRYPTION_KEYS", ["hunter2"], "credentials.E002"),
    ],
)
@pytest.mark.security
def test_each_fault_is_found_in_production(production, setting, value, identity):
    setattr(production, setting, value)
    assert found() == [identity]


@pytest.mark.parametrize("url", ["rediss://:secret@host:6380/1", "unix:///run/valkey.sock", "redis://[::1]:6379"])
def test_addresses_of_redis(production, url):
    production.REDIS_URL = url
    assert found() == []


def test_development_may_be_lax(production):
    production.ARBORETUM_ENV = "development"
    production.SECRET_KEY = "short"
    production.ALLOWED_HOSTS = []
    production.DEBUG = True
    assert found() == []


@pytest.mark.security
def test_every_message_says_what_to_do_and_repeats_no_secret(production):
    production.SECRET_KEY = "hunter2"
    production.ARBORETUM_ENCRYPTION_KEYS = ["hunter2", "hunter3"]
    production.REDIS_URL = "http://:hunter2@redis"
    messages = run_checks(tags=["configuration"])
    assert len(messages) == 4
    assert [message.msg for message in messages if "key 2 of 2" in message.msg]
    for message in messages:
        assert message.hint
        assert "hunter" not in f"{message.msg} {message.hint}"


def start(what, tmp_path, **variables):
    """Start a part of Arboretum with these variables alone; return how it ended and all that it said."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "COVERAGE_PROCESS_START") if name in os.environ}
    environment = kept | {"ARBORETUM_DATA_DIR": str(tmp_path / "var"), "PYTHONPATH": "."} | variables
    done = subprocess.run(START[what], env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("what", ["command", "check", "web", "worker"])
@pytest.mark.security
def test_nothing_starts_in_production_without_secrets_and_the_reason_is_told(what, tmp_path):
    code, said = start(what, tmp_path, ARBORETUM_ENV="production")
    assert code == 1, said
    assert "SECRET_KEY is not set" in said
    assert "ARBORETUM_ENCRYPTION_KEYS is not set" in said
    assert "ALLOWED_HOSTS is not set" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"DATABASE_URL": "postgess://user:hunter2@host/name", "PORT": "hunter2", "LOG_LEVEL": "hunter2"},
            "DATABASE_URL must be like",
        ),
        ({"ARBORETUM_WORKER_SLOTS": "-1"}, "ARBORETUM_WORKER_SLOTS must be from 1 to 10000."),
        ({"ARBORETUM_WORKER_THREADS": "0"}, "ARBORETUM_WORKER_THREADS must be from 1 to 4096."),
        ({"ARBORETUM_LEASE_SECONDS": "nan"}, "ARBORETUM_LEASE_SECONDS must be a number."),
        ({"ARBORETUM_LEASE_SECONDS": "0.5"}, "ARBORETUM_LEASE_SECONDS must be from 1 to 3600."),
        ({"ARBORETUM_GRACE_SECONDS": "-1"}, "ARBORETUM_GRACE_SECONDS must be from 0 to 3600."),
        ({"ARBORETUM_MAX_CELL_BYTES": "0"}, "ARBORETUM_MAX_CELL_BYTES must be from 1 to 67108864."),
        ({"PORT": "99999"}, "PORT must be from 1 to 65535."),
        ({"ARBORETUM_DATA_DIR": "/dev/null/var"}, "The data directory /dev/null/var cannot be made or written"),
    ],
)
def test_malformed_variables_are_explained_without_a_traceback(tmp_path, variables, message):
    code, said = start("command", tmp_path, **variables)
    assert code == 1, said
    assert message in said
    assert "Traceback" not in said
    assert "hunter2" not in said


def test_a_new_checkout_needs_no_configuration(tmp_path):
    assert start("check", tmp_path)[0] == 0


def test_a_worker_does_not_start_on_a_malformed_variable(tmp_path):
    code, said = start("worker", tmp_path, ARBORETUM_WORKER_SLOTS="hunter2")
    assert (code, "ARBORETUM_WORKER_SLOTS must be a whole number." in said) == (1, True), said
    assert "Traceback" not in said


def test_a_worker_does_not_start_on_a_database_without_tables(tmp_path):
    code, said = start("worker", tmp_path, REDIS_URL="redis://127.0.0.1:1/0")
    assert code == 1, said
    assert re.search(r"The database lacks [1-9]\d* migrations. Run: python manage.py migrate", said)
    assert "Traceback" not in said


def test_behind_tls_forms_are_taken_from_the_public_names(tmp_path):
    variables = {"DJANGO_SETTINGS_MODULE": "arboretum.settings", "ALLOWED_HOSTS": "arb.example"}
    assert start("origins", tmp_path, HTTPS="1", **variables) == (0, "['https://arb.example']\n")
    assert start("origins", tmp_path, HTTPS="0", **variables) == (0, "[]\n")
