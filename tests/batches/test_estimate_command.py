"""`manage.py batches estimate`: what it says, what it refuses, and what it leaves behind."""

from decimal import Decimal
from pathlib import Path

import pytest

from batches.execution.storing import store_outcomes
from batches.management import watching
from batches.management.estimate_command import detached_text, is_pilot_over
from batches.manager import BatchManager
from batches.models import Batch, Run
from batches.states import BatchState
from credentials.services import set_model
from tests.support.commands import run_command
from tests.support.factories import make_agent, make_batch, make_credential, make_superuser, make_user

from .execution.helpers import claim, success

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("text\n" + "".join(f"row {number:03}\n" for number in range(30)))
    return path


def test_without_a_pilot_it_tells_tokens_and_cost_and_creates_nothing(csv_file: Path) -> None:
    make_agent(make_superuser(), slug="echo", parameters={"max_tokens": 100})
    result = run_command("batches", "estimate", "echo", csv_file)
    assert result.code == 0, result.err
    assert "rows.csv: 30 rows for echo@1" in result.out
    assert "180 tokens in prompts, 6 to 6 a row" in result.out
    assert "at most 3,000 tokens, 100 a row (the most that the parameters allow)" in result.out
    assert "at most $0.001827" in result.out
    assert not Batch.objects.exists()


def test_as_json_it_has_the_same_facts(csv_file: Path) -> None:
    agent = make_agent(make_superuser(), slug="echo", parameters={})
    set_model(agent.current_version.credential, "*", requests_per_minute=10)
    data = run_command("batches", "estimate", "echo@1", csv_file, "--json").data
    assert (data["rows"], data["input_tokens"], data["output_tokens"]) == (30, 180, None)
    assert data["answers"]["source"] == "unknown"
    assert data["cost"] == pytest.approx(180 * 0.15e-6)
    assert data["least_seconds"] == pytest.approx(180, rel=0.05)


def test_a_model_without_a_price_is_named_and_tokens_are_told(csv_file: Path) -> None:
    owner = make_superuser()
    credential = make_credential(owner, name="local", provider="openai", base_url="http://127.0.0.1:1/v1", key="k")
    make_agent(owner, slug="echo", credential=credential, model="mine", parameters={})
    result = run_command("batches", "estimate", "echo", csv_file)
    assert "no price is known of local/mine; set one: manage.py models set" in result.out
    assert "180 tokens" in result.out
    set_model(credential, "mine", input_price=Decimal(1))
    assert "$0.000180" in run_command("batches", "estimate", "echo", csv_file).out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name an agent and a file"),
        (["echo"], "Name an agent and a file"),
        (["echo", "FILE", "--pilot", "4"], "allowed: 5 to 1,000"),
        (["echo", "FILE", "--pilot", "1001"], "allowed: 5 to 1,000"),
        (["echo", "FILE", "--pilot", "31"], "there are only 30"),
        (["echo", "FILE", "--pilot", "many"], "invalid int"),
        (["echo", "FILE", "--start-workers"], "--start-workers is for a pilot"),
        (["echo", "FILE", "--batch", "1"], "--batch takes no agent"),
        (["--batch", "1", "--pilot", "9"], "--batch takes no agent"),
        (["--batch", "77"], "no batch 77"),
        (["nobody", "FILE"], "no agent"),
        (["echo", "missing.csv"], "missing.csv"),
    ],
)
def test_what_does_not_fit_ends_with_two_and_leaves_nothing(csv_file: Path, arguments: list[str], message: str) -> None:
    make_agent(make_superuser(), slug="echo")
    result = run_command("batches", "estimate", *[str(csv_file) if it == "FILE" else it for it in arguments])
    assert result.code == 2
    assert message in result.err
    assert (Batch.objects.count(), Run.objects.count()) == (0, 0)


@pytest.mark.parametrize("options", [[], ["--pilot", "5"]])
def test_bad_rows_are_named_as_create_names_them(tmp_path: Path, options: list[str]) -> None:
    make_agent(make_superuser(), slug="echo")
    path = tmp_path / "bad.csv"
    path.write_text("text\none\ntwo,too many\nthree\n")
    result = run_command("batches", "estimate", "echo", path, *options)
    assert result.code == 2
    assert "line 3: has 2 fields" in result.err
    assert "--skip-bad-rows" in result.err
    assert not Batch.objects.exists()


def test_bad_rows_can_be_left_out(tmp_path: Path) -> None:
    make_agent(make_superuser(), slug="echo")
    path = tmp_path / "bad.csv"
    path.write_text("text\none\ntwo,too many\nthree\n")
    result = run_command("batches", "estimate", "echo", path, "--skip-bad-rows")
    assert "2 rows for echo@1" in result.out
    assert "1 bad rows" in result.out


def test_a_strangers_batch_is_not_estimated() -> None:
    make_superuser(username="root")
    batch = make_batch(make_user(username="owner"), rows=10)
    make_user(username="stranger")
    result = run_command("batches", "estimate", "--batch", str(batch.pk), "--as", "stranger")
    assert (result.code, f"no batch {batch.pk}" in result.err) == (2, True)


def test_a_batch_is_estimated_from_what_has_ended() -> None:
    batch = make_batch(make_superuser(), rows=40)
    store_outcomes([success(run) for run in claim(batch, 10)])
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.PAUSED)
    result = run_command("batches", "estimate", "--batch", str(batch.pk))
    assert "from 10 of 40 rows, 10 succeeded and 0 failed" in result.out
    assert "$0.040000" in result.out
    assert f"manage.py batches resume {batch.pk}" in result.out


def test_who_watches_ends_the_pilot_when_its_rows_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", 0)
    batch = make_batch(make_superuser(), rows=20)
    BatchManager(batch.owner).pilot(batch, 5)
    assert not is_pilot_over(batch)
    store_outcomes([success(run) for run in claim(batch)])
    batch.refresh_from_db()
    assert not is_pilot_over(batch)
    batch.refresh_from_db()
    assert (batch.state, is_pilot_over(batch)) == (BatchState.PAUSED, True)


def test_a_pilot_that_is_stopped_while_its_rows_are_chosen_leaves_nothing(
    csv_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    make_agent(make_superuser(), slug="echo")
    monkeypatch.setattr("batches.manager.choose_pilot", stop)
    assert run_command("batches", "estimate", "echo", csv_file, "--pilot", "5").code == 130
    assert (Batch.objects.count(), Run.objects.count()) == (0, 0)


def test_a_batch_that_was_started_is_kept_whatever_stops_the_command(
    csv_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    make_agent(make_superuser(), slug="echo")
    monkeypatch.setattr("batches.manager.publish_leases", stop)
    assert run_command("batches", "estimate", "echo", csv_file, "--pilot", "5").code == 130
    batch = Batch.objects.get()
    assert (batch.state, len(batch.pilot), Run.objects.count()) == (BatchState.RUNNING, 5, 30)


def test_a_batch_without_rows_cannot_be_estimated() -> None:
    batch = make_batch(make_superuser())
    result = run_command("batches", "estimate", "--batch", str(batch.pk))
    assert (result.code, "0 rows have ended; an estimate needs 1" in result.err) == (2, True)


def test_status_says_that_a_pilot_runs() -> None:
    batch = make_batch(make_superuser(), rows=20)
    BatchManager(batch.owner).pilot(batch, 5)
    assert "pilot    5 rows run first" in run_command("batches", "status", str(batch.pk)).out


def test_who_stops_watching_is_told_how_to_go_on() -> None:
    batch = make_batch(rows=1)
    assert f"manage.py batches estimate --batch {batch.pk}" in detached_text(batch)
