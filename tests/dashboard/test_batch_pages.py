"""The list of batches, a batch's page, its live parts, and its files."""

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import AsyncClient, Client
from django.urls import reverse
from django.utils import timezone

from batches.models import Batch, Run
from batches.states import BatchState
from credentials.models import User
from tests.support.factories import make_agent, make_batch, make_user

ClientOf = Callable[[User], Client]
HOSTILE = "<script>alert(1)</script>"


def finished_batch(owner: User, rows: int = 6) -> Batch:
    """A batch whose rows 1 and 4 failed, and the others succeeded."""
    batch = make_batch(owner, rows=[{"custom_id": f"c{i}", "text": f"in {i}"} for i in range(rows)], name="Autumn run")
    runs = batch.runs
    runs.update(state="succeeded", output="out", latency_ms=1500, input_tokens=10, output_tokens=5, attempt=1)
    runs.filter(index=1).update(state="failed", output=None, error_code="timeout", error_message="30 s passed")
    runs.filter(index=4).update(state="failed", output=None, error_code="timeout", error_message=HOSTILE)
    now = timezone.now()
    Batch.objects.filter(pk=batch.pk).update(
        state=BatchState.COMPLETED, succeeded=rows - 2, failed=2, started_at=now - timedelta(minutes=2), finished_at=now
    )
    batch.refresh_from_db()
    return batch


def page(client: Client, address: str, status: int = 200) -> str:
    response = client.get(address)
    assert response.status_code == status
    return response.content.decode()


def rows_in(text: str) -> list[int]:
    """The indexes of the rows in the results' table."""
    body = text.split('id="results"')[1].split("<tbody>")[1].split("</tbody>")[0]
    return [int(row.split(">")[2].split("<")[0]) for row in body.split("<tr>")[1:]]


def test_list_shows_state_progress_counts_cost_and_agent(client_of: ClientOf, owner: User):
    version = make_agent(owner, slug="classify").current_version
    make_batch(owner, version, rows=8, name="alpha", state=BatchState.RUNNING, succeeded=3, failed=1, cost="1.5")

    text = page(client_of(owner), "/batches/")

    for expected in ("alpha", "running", "classify@1", "4 / 8", "$1.50", 'aria-valuenow="50"'):
        assert expected in text


def test_list_is_paged_by_key_and_filtered_by_state(client_of: ClientOf, owner: User):
    version = make_agent(owner).current_version
    batches = [make_batch(owner, version, name=f"entry {i:02}") for i in range(51)]
    stopped = make_batch(owner, version, name="stopped", state=BatchState.CANCELLED)
    client = client_of(owner)

    assert "entry 01" not in page(client, "/batches/")
    assert f"before={batches[2].pk}" in page(client, "/batches/")
    older = page(client, f"/batches/?before={batches[2].pk}")
    assert "entry 01" in older
    assert "entry 02" not in older
    filtered = page(client, "/batches/?state=cancelled")
    assert f"/batches/{stopped.pk}/" in filtered
    assert "entry" not in filtered.split("<tbody>")[1].split("</tbody>")[0]


@pytest.mark.django_db(transaction=True)
def test_batch_shows_facts_errors_and_results(client_of: ClientOf, owner: User):
    batch = finished_batch(owner)

    text = page(client_of(owner), f"/batches/{batch.pk}/")

    for expected in ("Autumn run", "completed", "4 succeeded", "2 failed", "2 m 0 s", "3 rows/min", "30 s passed"):
        assert expected in text
    assert rows_in(text) == [0, 1, 2, 3, 4, 5]
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text


@pytest.mark.django_db(transaction=True)
def test_results_are_filtered_by_state_and_code(client_of: ClientOf, owner: User):
    batch = finished_batch(owner)
    client = client_of(owner)

    assert rows_in(page(client, f"/batches/{batch.pk}/?state=failed")) == [1, 4]
    assert rows_in(page(client, f"/batches/{batch.pk}/?state=succeeded")) == [0, 2, 3, 5]
    assert rows_in(page(client, f"/batches/{batch.pk}/?code=timeout&after=1")) == [4]
    assert "No row is like that." in page(client, f"/batches/{batch.pk}/?state=cancelled")
    page(client, f"/batches/{batch.pk}/?code=nonsense", 400)
    page(client, f"/batches/{batch.pk}/?state=queued", 400)


def test_results_are_paged_by_row(client_of: ClientOf, owner: User):
    batch = make_batch(owner, rows=120)
    make_batch(owner, rows=10)
    client = client_of(owner)

    pages = [page(client, f"/batches/{batch.pk}/{query}") for query in ("", "?after=49", "?after=99", "?after=119")]

    assert [rows_in(text) for text in pages[:3]] == [list(range(50)), list(range(50, 100)), list(range(100, 120))]
    assert "after=49#results" in pages[0]
    assert "Next rows" not in pages[2]
    assert "Next rows" not in pages[3]


@pytest.mark.parametrize("after", [16_777_215, 16_777_216, 9_223_372_036_854_775_807])
def test_a_page_beyond_the_end_shows_no_row_of_another_batch(client_of: ClientOf, owner: User, after: int):
    batch = make_batch(owner, rows=2)
    make_batch(owner, rows=2)

    assert "/runs/" not in page(client_of(owner), f"/batches/{batch.pk}/?after={after}").split('id="results"')[1]


def test_results_read_the_beginnings_of_texts_alone(client_of: ClientOf, owner: User):
    batch = make_batch(owner, rows=3)
    batch.runs.update(state="succeeded", output="y" * 100_000)
    Batch.objects.filter(pk=batch.pk).update(succeeded=3)

    assert len(page(client_of(owner), f"/batches/{batch.pk}/")) < 30_000


def test_progress_asks_for_more_until_the_batch_ends(client_of: ClientOf, owner: User):
    batch = make_batch(owner, rows=4, state=BatchState.RUNNING, succeeded=1)
    client = client_of(owner)
    address = reverse("batch-progress", args=[batch.pk])

    running = client.get(address)
    assert 'data-live="2"' in running.content.decode()
    assert "3 to go" in running.content.decode()
    assert "HX-Trigger" not in running

    Batch.objects.filter(pk=batch.pk).update(state=BatchState.COMPLETED, succeeded=4)
    ended = client.get(address)
    assert "data-live" not in ended.content.decode()
    assert "completed" in ended.content.decode()
    assert ended["HX-Trigger"] == "batch-ended"


@pytest.mark.django_db(transaction=True)
def test_latency_is_kept_once_the_batch_has_ended_and_read_anew_after_a_retry(client_of: ClientOf, owner: User):
    batch = finished_batch(owner)
    client = client_of(owner)
    address = reverse("batch-latency", args=[batch.pk])
    assert page(client, address).count("1.5 s") == 5

    Run.objects.filter(batch=batch).update(latency_ms=2500)
    assert page(client, address).count("1.5 s") == 5

    batch.save()
    assert page(client, address).count("2.5 s") == 5


@pytest.mark.django_db(transaction=True)
def test_csv_and_jsonl_hold_every_row_in_order(client_of: ClientOf, owner: User):
    batch = finished_batch(owner)
    client = client_of(owner)

    jsonl = client.get(reverse("batch-jsonl", args=[batch.pk]))
    records = [json.loads(line) for line in jsonl.getvalue().decode().splitlines()]
    assert [record["custom_id"] for record in records] == [f"c{i}" for i in range(6)]
    assert jsonl["Content-Disposition"] == f'attachment; filename="autumn-run-{batch.pk}.jsonl"'

    table = client.get(reverse("batch-csv", args=[batch.pk]))
    lines = list(csv.DictReader(io.StringIO(table.getvalue().decode())))
    assert [line["status"] for line in lines].count("failed") == 2
    assert table["Content-Type"].startswith("text/csv")


@pytest.mark.parametrize("name", ['"; filename="x.exe', "../../etc/passwd", "a\r\nSet-Cookie: x=1", "日本", ""])
@pytest.mark.django_db(transaction=True)
def test_file_name_is_safe_whatever_the_batch_is_called(client_of: ClientOf, owner: User, name: str):
    batch = make_batch(owner, rows=1, name=name)

    header = client_of(owner).get(reverse("batch-csv", args=[batch.pk]))["Content-Disposition"]

    filename = header.removeprefix('attachment; filename="').removesuffix(f'-{batch.pk}.csv"')
    assert filename.replace("-", "").isalnum()


async def test_download_streams_through_the_asynchronous_stack(async_client: AsyncClient, owner: User):
    from asgiref.sync import sync_to_async

    batch = await sync_to_async(make_batch)(owner, rows=30)
    await async_client.aforce_login(owner)

    response = await async_client.get(reverse("batch-jsonl", args=[batch.pk]))

    assert response.is_async
    parts = [part async for part in response.streaming_content]
    assert len(b"".join(parts).splitlines()) == 30


@pytest.mark.security
async def test_download_of_a_stranger_is_refused(async_client: AsyncClient, owner: User):
    from asgiref.sync import sync_to_async

    batch = await sync_to_async(make_batch)(owner, rows=1)
    await async_client.aforce_login(await sync_to_async(make_user)())

    assert (await async_client.get(reverse("batch-jsonl", args=[batch.pk]))).status_code == 404
