"""Batches of requests where all batches are seen: by the commands and on the pages."""

import json
from pathlib import Path

import pytest
from django.test import Client

from batches.models import Batch, Run
from batches.reading.task import read_input
from batches.states import BatchState
from tests.batches.reading.files import chat, waiting_batch
from tests.support.commands import run_command
from tests.support.factories import make_agent, make_credential, make_superuser

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mixed() -> Batch:
    """A batch of two agents and a model that runs, though nobody takes its rows."""
    user = make_superuser()
    agents = [make_agent(user, slug=slug) for slug in ("first", "second")]
    make_credential(user, name="sim")
    content = chat("one", agents[0]) + chat("two", agents[1]) + chat("three", "sim/echo-1")
    batch = waiting_batch(user, content)
    read_input(batch.pk, lambda: False)
    batch.refresh_from_db()
    assert batch.state == BatchState.RUNNING
    return batch


def test_a_batch_that_is_not_read_yet_or_has_failed_is_shown(client: Client):
    user = make_superuser()
    waiting, failed = (waiting_batch(user, content) for content in (b"x", b"y"))
    read_input(failed.pk, lambda: False)
    listed = run_command("batches", "list", "--json").data
    assert {(one["id"], one["state"], one["agent"]) for one in listed} == {
        (waiting.pk, "validating", None),
        (failed.pk, "failed", None),
    }
    client.force_login(user)
    for batch in (waiting, failed):
        for arguments in (["status", str(batch.pk)], ["status", str(batch.pk), "--json"], ["list"]):
            result = run_command("batches", *arguments)
            assert result.code == 0, result
        page = client.get(f"/batches/{batch.pk}/")
        assert page.status_code == 200
    assert "This line is not valid JSON" in run_command("batches", "status", str(failed.pk)).out
    assert "This line is not valid JSON" in page.content.decode()
    assert client.get("/batches/").status_code == 200
    for verb in ("pause", "resume", "cancel"):
        assert run_command("batches", verb, str(failed.pk)).code != 0


def test_the_commands_steer_it(mixed: Batch, tmp_path: Path):
    pk = str(mixed.pk)
    assert run_command("batches", "pause", pk).code == 0
    assert run_command("batches", "status", pk, "--json").data["state"] == "paused"
    assert run_command("batches", "resume", pk).code == 0
    assert run_command("batches", "cancel", pk).code == 0
    mixed.refresh_from_db()
    assert (mixed.state, mixed.cancelled) == (BatchState.CANCELLING, 3)
    out = tmp_path / "out.jsonl"
    assert run_command("batches", "export", pk, "--output", str(out)).code == 0
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(one["custom_id"], one["agent"], one["model"]) for one in records] == [
        ("one", "first", records[0]["model"]),
        ("two", "second", records[1]["model"]),
        ("three", None, "sim/echo-1"),
    ]
    csv = tmp_path / "out.csv"
    assert run_command("batches", "export", pk, "--output", str(csv)).code == 0
    assert "custom_id" in csv.read_text().splitlines()[0]
    table = run_command("batches", "results", pk).out
    assert "two" in table


def test_the_page_shows_custom_ids_and_agents_of_its_rows(mixed: Batch, client: Client):
    client.force_login(mixed.owner)
    page = client.get(f"/batches/{mixed.pk}/").content.decode()
    for word in ("one", "two", "three", "first", "second", "sim/echo-1"):
        assert word in page, word


def test_failed_rows_run_again_after_the_end(mixed: Batch):
    Run.objects.of_batch(mixed.pk).update(state="failed", error_code="timeout", finished_at=mixed.created_at)
    ended = {"state": BatchState.COMPLETED, "failed": 3, "output_bytes": 0, "error_bytes": 300}
    Batch.objects.filter(pk=mixed.pk).update(**ended, expires_at=mixed.created_at)
    assert run_command("batches", "retry", str(mixed.pk)).code == 0
    mixed.refresh_from_db()
    assert (mixed.state, mixed.failed, mixed.error_bytes) == (BatchState.RUNNING, 0, None)
    assert mixed.expires_at > mixed.created_at
