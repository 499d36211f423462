"""What `make test` runs after `make lint`: all tests on both databases, and their coverage."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.postgres import postgres_programs

ROOT = Path(__file__).resolve().parent.parent
PROCESSES = "2"
COVERAGE_FLOOR = "95"
COVERAGE = ["--cov", "--cov-report="]


def run(module: str, *arguments: str, **variables: str) -> int:
    """Run a module of this Python and return its exit code."""
    command = [sys.executable, "-m", module, *arguments]
    print(f"\n== {module} {' '.join(arguments)}", flush=True)
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=False).returncode


def run_tests(arguments: Sequence[str]) -> int:
    """Run all tests on SQLite, those that use a database on PostgreSQL too.

    The coverage of the first run is compared with the floor; the second run has no use for the time that costs.
    REQUIRE_POSTGRESQL=1 makes it an error that PostgreSQL's programs are missing. Returns the first bad exit code.
    """
    common = ["-n", PROCESSES, *COVERAGE, *arguments]
    codes = [run("coverage", "erase"), run("pytest", *common)]
    if postgres_programs():
        codes.append(run("pytest", "-n", PROCESSES, *arguments, "--database", "postgresql"))
    else:
        print("PostgreSQL was not tried: no initdb on PATH or below /usr/lib/postgresql (apt-get install postgresql).")
        codes.append(1 if os.environ.get("REQUIRE_POSTGRESQL") == "1" else 0)
    codes.append(run("coverage", "report", f"--fail-under={COVERAGE_FLOOR}"))
    return next((code for code in codes if code), 0)


def run_security() -> int:
    """Check a configuration as production would have it, and run the tests that are marked `security`.

    Returns the first bad exit code; pytest's own for "no tests were collected" is 5.
    """
    production = {
        "ARBORETUM_ENV": "production",
        "ALLOWED_HOSTS": "arboretum.example",
        "SECRET_KEY": os.urandom(50).hex(),
        "ARBORETUM_ENCRYPTION_KEYS": f"{'A' * 43}=",
        "DATABASE_URL": "postgresql://arboretum@localhost/arboretum",
        "REDIS_URL": "redis://localhost:6379/0",
    }
    codes = [run("django", "check", "--deploy", "--fail-level", "ERROR", **{**production, **DJANGO})]
    codes.append(run("pytest", "-m", "security"))
    return next((code for code in codes if code), 0)


DJANGO = {"DJANGO_SETTINGS_MODULE": "arboretum.settings", "PYTHONPATH": str(ROOT)}

if __name__ == "__main__":
    sys.exit(run_security() if sys.argv[1:] == ["security"] else run_tests(sys.argv[1:]))
