"""Rows are written in chunks, each with the batch's total, and memory does not grow with their number."""

import os
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from django.db import connection

from batches import creating
from batches.creating import insert_rows
from batches.inputs import InputReport, check_input
from batches.manager import BatchManager
from batches.models import Batch, Run
from batches.states import BatchState
from tests.support.factories import make_agent, make_batch
from workers.errors import InvalidInput

pytestmark = pytest.mark.django_db

process = psutil.Process(os.getpid())


def checked_file(folder: Path, texts: list[str]) -> InputReport:
    path = folder / "rows.csv"
    path.write_text("text\n" + "".join(f"{text}\n" for text in texts))
    return check_input(path)


def test_each_chunk_moves_the_total_and_the_time_of_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creating, "CHUNK_ROWS", 2)
    batch = make_batch(rows=0, state=BatchState.VALIDATING)
    seen: list[tuple[int, int, int, str]] = []
    times: list[datetime] = [batch.updated_at]

    def look(done: int, total: int) -> None:
        stored = Batch.objects.get()
        seen.append((done, total, stored.total, stored.state))
        times.append(stored.updated_at)

    insert_rows(batch, checked_file(tmp_path, list("abcde")), look)
    assert seen == [(2, 5, 2, "validating"), (4, 5, 4, "validating"), (5, 5, 5, "validating")]
    assert times == sorted(times)
    assert times[-1] > times[0]
    assert Batch.objects.get().state == BatchState.READY
    runs = Run.objects.of_batch(batch.pk).values_list("id", "index", "input_json")
    assert list(runs) == [(batch.run_ids[0] + place, place, f'{{"text":"{"abcde"[place]}"}}') for place in range(5)]


def test_large_rows_make_small_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creating, "CHUNK_CHARACTERS", 100)
    batch = make_batch(rows=0)
    chunks: list[int] = []
    report = checked_file(tmp_path, ["x" * 200, "y" * 40, "z" * 60, "short"])
    insert_rows(batch, report, lambda done, total: chunks.append(done))
    assert chunks == [1, 3, 4]


def test_a_creation_that_breaks_off_after_some_chunks_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creating, "CHUNK_ROWS", 1)
    agent = make_agent()

    def break_off(done: int, total: int) -> None:
        if done == 2:
            raise InvalidInput("enough")

    with pytest.raises(InvalidInput, match="enough"):
        BatchManager(agent.owner).create(
            agent.current_version, checked_file(tmp_path, list("abc")).path, on_progress=break_off
        )
    assert not Batch.objects.exists()
    assert not Run.objects.exists()


def test_a_hundred_thousand_rows_are_written_in_a_few_megabytes(tmp_path: Path) -> None:
    report = checked_file(tmp_path, [f"Ticket number {number}" for number in range(100_000)])
    batch = make_batch(rows=0)
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            # Kibibytes of pages that SQLite keeps, which would be counted as growth until they are all used.
            cursor.execute("PRAGMA cache_size=-1000")
    used: list[int] = []
    insert_rows(batch, report, lambda done, total: used.append(process.memory_info().rss))
    assert len(used) == 100_000 // creating.CHUNK_ROWS
    # The rows themselves would be over 20 MB.
    assert max(used) - used[1] < 6_000_000
    assert Run.objects.of_batch(batch.pk).count() == 100_000
