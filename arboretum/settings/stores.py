"""The database and Redis: given by URL, else SQLite and an embedded Valkey under the data directory."""

from typing import Any

from workers.embedded.paths import valkey_url

from .environment import DATA_DIR, env

DATABASE_URL: str = env.str("DATABASE_URL", default="")
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.database(DATABASE_URL or f"sqlite:///{DATA_DIR / 'arboretum.sqlite3'}")
}
DATABASE = DATABASES["default"]

if DATABASE["ENGINE"].endswith("sqlite3"):
    # Django's own, with a fair wait for the write lock.
    DATABASE["ENGINE"] = "workers.sqlite"
    # IMMEDIATE takes the write lock when a transaction begins; without it two writers that both began by reading
    # fail with "database is locked" however long the timeout is.
    DATABASE["OPTIONS"] = {
        "timeout": 30,
        "transaction_mode": "IMMEDIATE",
        # A group's statements differ with its size and take up to 250 kB each: 128 of them, as Python keeps, and a
        # larger page cache had two workers grow by 90 MB over a million rows.
        "cached_statements": 24,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    # A file, so that worker processes see what a test wrote.
    DATABASE["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    # Under ASGI each request has a thread of its own, so a kept connection would never be used again. The worker's
    # threads keep theirs: nothing closes a connection between requests there.
    DATABASE["CONN_MAX_AGE"] = 0
if DATABASE["ENGINE"].endswith("postgresql"):
    # libpq's own names (its manual, "Parameter Key Words"): a server that is gone without a word is noticed within 5 s
    # when connecting and within 30 s later, not after the kernel's 2 hours. Unix sockets have no use for them. What
    # DATABASE_URL says itself (?connect_timeout=60) counts.
    DATABASE["OPTIONS"] = {
        "connect_timeout": 5,
        "keepalives": 1,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 4,
        "tcp_user_timeout": 30_000,  # milliseconds
        **DATABASE.get("OPTIONS", {}),
    }

REDIS_URL_GIVEN: str = env.str("REDIS_URL", default="")
REDIS_URL: str = REDIS_URL_GIVEN or valkey_url(DATA_DIR)
