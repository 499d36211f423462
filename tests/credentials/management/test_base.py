"""The base of the commands: users, exit codes, one-line errors."""

import dataclasses
import datetime as dt
import os
import subprocess
import sys
from decimal import Decimal

import psycopg2
import pytest
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import OperationalError, ProgrammingError
from django.db.migrations.recorder import MigrationRecorder
from sqlalchemy import exc as alchemy

from credentials.encryption import DecryptionFailed
from credentials.management.base import ArboretumCommand, PlainCommand
from tests.support.commands import run_command
from tests.support.factories import make_superuser, make_user
from workers.errors import ErrorCode, InvalidInput, ServerUnavailable, WorkError

pytestmark = pytest.mark.django_db


class Greeting(ArboretumCommand):
    """Does as it is told."""

    error: Exception | None = None
    code = 0

    def add_subcommands(self):
        hello = self.subcommand("hello", self.hello, "Greet.")
        hello.add_argument("--loud", action="store_true")
        self.subcommand_without_user("anonymous", self.anonymous, "Greet nobody.")

    def hello(self, user, options):
        if self.error:
            raise self.error
        self.emit({"user": user.username, "loud": options["loud"]}, f"hello {user.username}")
        return self.code

    def anonymous(self, options):
        self.emit([], "hello")
        return 0


def failing(error):
    command = Greeting()
    command.error = error
    make_superuser()
    return run_command(command, "hello")


def test_the_only_superuser_acts_by_default():
    make_user(username="bob")
    make_superuser(username="root", is_active=True)
    make_superuser(username="gone", is_active=False)
    assert run_command(Greeting(), "hello").out == "hello root\n"


def test_as_names_who_acts():
    make_superuser()
    make_user(username="bob")
    assert run_command(Greeting(), "hello", "--as", "bob", "--json").data == {"user": "bob", "loud": False}


def test_without_a_superuser_a_name_is_asked_for():
    result = run_command(Greeting(), "hello")
    assert result.code == 2
    assert result.err.startswith("error: There is no superuser")
    assert result.err.count("\n") == 1


def test_several_superusers_are_named():
    make_superuser(username="a")
    make_superuser(username="b")
    result = run_command(Greeting(), "hello")
    assert (result.code, "(a, b)" in result.err) == (2, True)


def test_unknown_and_inactive_users_cannot_act():
    make_user(username="gone", is_active=False)
    assert run_command(Greeting(), "hello", "--as", "nobody").err == "error: There is no user 'nobody'.\n"
    assert run_command(Greeting(), "hello", "--as", "gone").err == "error: The user 'gone' is not active.\n"


def test_a_command_without_user_needs_none():
    result = run_command(Greeting(), "anonymous")
    assert (result.code, result.out) == (0, "hello\n")
    assert run_command(Greeting(), "anonymous", "--as", "x").code == 2


@pytest.mark.parametrize("arguments", [[], ["frob"], ["hello", "--frob"], ["hello", "x"], ["hello", "--lou"]])
def test_wrong_arguments_exit_with_2_and_the_usage(arguments):
    make_superuser()
    result = run_command(Greeting(), *arguments)
    assert (result.code, "usage:" in result.err) == (2, True)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InvalidInput("slug: too long"), 2, "slug: too long"),
        (ValidationError({"name": ["Taken."], "__all__": ["Odd."]}), 2, "name: Taken.; Odd."),
        (ValidationError("Odd."), 2, "Odd."),
        (WorkError(ErrorCode.TIMEOUT, "No answer in 5 s"), 1, "No answer in 5 s (timeout)"),
        (ServerUnavailable("No Redis."), 1, "No Redis."),
        (DecryptionFailed("No key."), 1, "No key."),
        (ImproperlyConfigured("Odd."), 1, "Odd."),
        (FileNotFoundError(2, "No such file or directory", "in.csv"), 2, "in.csv: No such file or directory"),
        (InvalidInput("a\nb\x1b[31m"), 2, "a b\ufffd[31m"),
    ],
)
def test_expected_errors_are_one_line_and_an_exit_code(error, code, line):
    result = failing(error)
    assert (result.code, result.err, result.out) == (code, f"error: {line}\n", "")


def test_faults_of_ours_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError())


def test_traceback_can_be_asked_for():
    command = Greeting()
    command.error = InvalidInput("slug: too long")
    make_superuser()
    with pytest.raises(InvalidInput):
        run_command(command, "--traceback", "hello")


def test_missing_migrations_are_named():
    MigrationRecorder.Migration.objects.filter(app="batches").delete()
    result = failing(OperationalError("no such table: x"))
    assert result.code == 1
    assert "Run: python manage.py migrate" in result.err


def test_a_silent_database_is_one_line():
    result = failing(OperationalError("connection refused\n\tIs it running?"))
    assert result.err == "error: The database does not answer as it should: connection refused Is it running?\n"


def test_so_is_one_that_results_are_read_from():
    error = alchemy.OperationalError("SELECT 1", {}, psycopg2.OperationalError("connection refused"))
    assert failing(error).err == "error: The database does not answer as it should: connection refused\n"


def test_a_fault_in_a_statement_of_those_keeps_its_traceback():
    with pytest.raises(alchemy.ProgrammingError):
        failing(alchemy.ProgrammingError("SELECT", {}, Exception("syntax")))


def test_a_fault_in_a_statement_keeps_its_traceback():
    with pytest.raises(ProgrammingError):
        failing(ProgrammingError("syntax"))


def test_the_handlers_exit_code_is_the_commands():
    make_superuser()
    command = Greeting()
    command.code = 1
    result = run_command(command, "hello")
    assert (result.code, result.err) == (1, "")


def test_ctrl_c_ends_without_a_traceback():
    class Interrupted(PlainCommand):
        def run(self, options):
            raise KeyboardInterrupt

    assert run_command(Interrupted()).code == 130


def test_plain_command_prints_json_of_dates_numbers_and_dataclasses():
    @dataclasses.dataclass
    class Point:
        x: Decimal

    class Plain(PlainCommand):
        def run(self, options):
            self.emit(
                {"at": dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "points": [Point(Decimal("0.25"))], "names": {"a"}}
            )
            return 0

    assert run_command(Plain(), "--json").data == {
        "at": "2026-01-02T00:00:00+00:00",
        "points": [{"x": 0.25}],
        "names": ["a"],
    }
    assert run_command(Plain()).out == ""


def test_a_reader_that_goes_away_is_no_traceback(tmp_path):
    script = tmp_path / "endless.py"
    script.write_text(
        "import sys, django\n"
        "django.setup()\n"
        "from credentials.management.base import PlainCommand\n"
        "class Endless(PlainCommand):\n"
        "    def run(self, options):\n"
        "        while True:\n"
        "            self.emit(None, 'x' * 10000)\n"
        "Endless().run_from_argv(['manage.py', 'endless'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ".", "DJANGO_SETTINGS_MODULE": "arboretum.settings"},
    )
    process.stdout.read(10)
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 1
    assert not any(word in said for word in (b"Traceback", b"BrokenPipe", b"Exception"))


def test_an_argument_that_is_no_utf8_is_refused():
    make_superuser()
    found = run_command(Greeting(), "hello", "--as", "a\udcff")
    assert (found.code, found.err) == (2, "error: as: 'a\\udcff' is not UTF-8.\n")
