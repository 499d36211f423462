"""Real servers for every test process: an embedded Valkey of its own, SQLite or a private PostgreSQL cluster."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.support.environment import TestEnvironment, stop_valkey, sweep_stale
from tests.support.postgres import PostgresCluster

if TYPE_CHECKING:
    # Both need Django's settings, which are read anew below.
    from tests.support.api_user import ApiUser
    from tests.support.web_server import WebServer

# The same examples in every run, so that a failing run can be run again; HYPOTHESIS_PROFILE=explore tries others.
settings.register_profile("steady", derandomize=True)
settings.register_profile("explore")
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

ROOT = Path(__file__).resolve().parent.parent
DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "django_db_reset_sequences"}

environment_key = pytest.StashKey[TestEnvironment]()
cluster_key = pytest.StashKey[PostgresCluster]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--database`."""
    parser.addoption(
        "--database",
        choices=("sqlite", "postgresql"),
        default="sqlite",
        help="the database of the tests; with postgresql only those that use one are run",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give each test process an environment; start the cluster once, in the process that the user started."""
    if config.getoption("help") or config.getoption("version"):
        return
    url = getattr(config, "workerinput", {}).get("database_url", "")
    if not hasattr(config, "workerinput"):
        sweep_stale()
        if config.getoption("database") == "postgresql" and not config.getoption("collectonly"):
            cluster = config.stash[cluster_key] = PostgresCluster()
            cluster.start()
            url = cluster.url
    config.stash[environment_key] = TestEnvironment()
    config.stash[environment_key].enter(url)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell an xdist worker which cluster to use; its test database is its own."""
    cluster = node.config.stash.get(cluster_key, None)
    node.workerinput["database_url"] = cluster.url if cluster else ""


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the cluster and clean up, also after Ctrl-C."""
    if cluster := config.stash.get(cluster_key, None):
        cluster.stop()
    if environment := config.stash.get(environment_key, None):
        environment.remove()
    if not hasattr(config, "workerinput"):
        sweep_stale()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With PostgreSQL run only what uses a database; the rest has been run with SQLite."""
    if config.getoption("database") == "sqlite":
        return
    left_out = [item for item in items if not uses_database(item) or item.get_closest_marker("any_database")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def uses_database(item: pytest.Item) -> bool:
    """Whether a test asks for the database, by mark, fixture or class."""
    from django.test import TransactionTestCase

    asked = DATABASE_FIXTURES.intersection(getattr(item, "fixturenames", ()))
    owner = getattr(item, "cls", None)
    return bool(asked or item.get_closest_marker("django_db") or (owner and issubclass(owner, TransactionTestCase)))


@pytest.fixture(scope="session", autouse=True)
def redis_server(pytestconfig: pytest.Config) -> Iterator[None]:
    """The private Valkey of this test process. At the end nothing that a test started may still run."""
    from workers.embedded.valkey import embedded, ensure_redis

    environment = pytestconfig.stash[environment_key]
    ensure_redis()
    # A command that runs in this process stops the server that its process started; this one is the session's.
    embedded().started_here = False
    yield
    stop_valkey(environment.folder)
    left = [" ".join(process.cmdline()) or process.name() for process in environment.left_behind()]
    assert not left, f"tests left processes behind: {left}"


@pytest.fixture(autouse=True)
def _clean_redis(redis_server: None) -> None:
    """Start every test with no keys."""
    from workers.redis import connection

    connection().flushall()


@pytest.fixture(autouse=True)
def _api_threads_ended() -> Iterator[None]:
    """Leave no test the connections of the one before: what it has set of them would not be seen."""
    from credentials.api.threads import stop_threads

    yield
    stop_threads()


@pytest.fixture
def short_folder(pytestconfig: pytest.Config) -> Iterator[Path]:
    """A private folder whose path leaves room for a socket's name; `tmp_path` may be too long."""
    folder = Path(tempfile.mkdtemp(dir=pytestconfig.stash[environment_key].folder))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def worker_env(transactional_db: None) -> dict[str, str]:
    """The environment for a process that shall see this test's database, Redis and secrets."""
    return process_env()


def process_env() -> dict[str, str]:
    """Return the environment for a process that shall see the tests' database, Redis and secrets."""
    from django.db import connection

    database = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{database['NAME']}"
    else:
        url = f"postgresql://{database['USER']}@/{database['HOST']}/{database['NAME']}"
    return {**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="session")
def server_env(django_db_setup: None, django_db_blocker: Any, redis_server: None) -> dict[str, str]:
    """The environment for a process that outlives a test and shall see the tests' database, Redis and secrets."""
    with django_db_blocker.unblock():
        return process_env()


@pytest.fixture(scope="module")
def web_server(server_env: dict[str, str]) -> "Iterator[WebServer]":
    """A web process of its own for all tests of a module. Each needs `transactional_db` (or `api`) to be seen by it."""
    from tests.support.web_server import WebServer

    with WebServer(server_env) as server:
        yield server


@pytest.fixture
def api(web_server: "WebServer", transactional_db: None) -> "Iterator[ApiUser]":
    """A user with an API token that may do everything but administer, and the server that knows him."""
    from tests.support.api_user import ApiUser

    with ApiUser.make(web_server) as user:
        yield user
