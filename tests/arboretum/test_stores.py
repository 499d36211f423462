"""How the settings of the database follow from its address."""

import json
import os
import subprocess
import sys

import pytest

SHOW = "import json; from arboretum.settings import stores; print(json.dumps(stores.DATABASE.get('OPTIONS')))"


def options(url, tmp_path):
    """Return the options of a database as a new process reads them."""
    variables = {**os.environ, "DATABASE_URL": url, "ARBORETUM_DATA_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", SHOW], env=variables, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("url", ["postgresql://user@db:5432/name", "postgresql://user@//run/postgresql/name"])
def test_a_postgresql_that_is_gone_is_noticed_soon(tmp_path, url):
    found = options(url, tmp_path)
    assert found["connect_timeout"] == 5
    assert found["keepalives"] == 1
    assert found["keepalives_idle"] + found["keepalives_interval"] * found["keepalives_count"] <= 30
    assert found["tcp_user_timeout"] == 30_000


def test_what_the_address_says_itself_counts(tmp_path):
    found = options("postgresql://user@db/name?connect_timeout=60&sslmode=require", tmp_path)
    assert (int(found["connect_timeout"]), found["sslmode"], found["keepalives"]) == (60, "require", 1)


def test_sqlite_knows_none_of_it(tmp_path):
    assert "connect_timeout" not in options("", tmp_path)


@pytest.mark.django_db
def test_the_database_of_the_tests_takes_the_options():
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT 17")
        assert cursor.fetchone() == (17,)
    if connection.vendor == "postgresql":
        assert connection.get_connection_params()["tcp_user_timeout"] == 30_000
