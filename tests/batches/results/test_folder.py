"""Results in a folder: what a later call finds, keeps, mends and refuses; and a writer that is killed."""

import fcntl
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from django.db import connection
from pyarrow import parquet

from batches.models import Batch, Run
from batches.results import BatchResults
from batches.results.files import write_whole
from tests.support.worker_harness import ROOT
from workers.errors import InvalidInput

from .finished import STARTED, make_finished
from .test_memory import finished_batch

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def results():
    return BatchResults(make_finished([{"output": str(index), "finished_at": STARTED} for index in range(25)]))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out"


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_bytes())


def outputs(folder: Path) -> list[str]:
    """Return the outputs of all rows in the parts that the manifest names, each held against it."""
    found = []
    for part in manifest(folder)["parts"]:
        data = (folder / part["name"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (part["bytes"], part["sha256"])
        records = [json.loads(line) for line in data.splitlines()]
        assert [record["index"] for record in records] == list(range(part["first"], part["last"] + 1))
        assert len(records) == part["rows"]
        found += [record["output"] for record in records]
    return found


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*")}


def test_parts_in_input_order_and_a_manifest(results, folder):
    seen = []
    report = results.export_folder(folder, part_rows=10, on_progress=seen.append)
    assert (report.rows, report.parts, report.written, report.complete) == (25, 3, 3, True)
    assert seen == [10, 20, 25]
    assert outputs(folder) == [str(index) for index in range(25)]
    assert sorted(path.name for path in folder.iterdir()) == [
        "manifest.json", "part-00000.jsonl", "part-00001.jsonl", "part-00002.jsonl",
    ]  # fmt: skip
    found = manifest(folder)
    assert (found["batch"], found["rows"], found["complete"]) == (results.batch.pk, 25, True)


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_other_formats_make_files_that_stand_alone(results, folder, format):
    results.export_folder(folder, format, part_rows=20)
    last = folder / f"part-00001.{format}"
    rows = parquet.read_table(last).num_rows if format == "parquet" else len(last.read_bytes().splitlines()) - 1
    assert rows == 5


def test_a_second_call_writes_nothing(results, folder):
    results.export_folder(folder, part_rows=10)
    before = times(folder)
    assert results.export_folder(folder).written == 0
    assert times(folder) == before


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"x"),
        lambda path: path.write_bytes(path.read_bytes().swapcase()),
    ],
)
def test_a_broken_part_is_mended_and_no_other_is_touched(results, folder, harm):
    results.export_folder(folder, part_rows=10)
    before = times(folder)
    harm(folder / "part-00001.jsonl")
    assert results.export_folder(folder).written == 1
    assert outputs(folder) == [str(index) for index in range(25)]
    after = times(folder)
    assert {name for name in before if before[name] != after[name]} <= {"part-00001.jsonl"}


def test_rows_that_ran_again_are_written_anew(results, folder):
    results.export_folder(folder, part_rows=10)
    row = Run.objects.of_batch(results.batch.pk).filter(index=13)
    row.update(state="pending", finished_at=None, attempt=1)
    Batch.objects.update(state="running")
    report = results.export_folder(folder)
    assert (report.written, report.complete, report.rows) == (0, False, 25)
    row.update(state="succeeded", finished_at=STARTED, attempt=2, output="again")
    Batch.objects.update(state="completed")
    report = results.export_folder(folder)
    assert (report.written, report.complete) == (1, True)
    assert outputs(folder)[13] == "again"


def test_of_a_running_batch_the_rows_before_the_first_unfinished_one(results, folder):
    rows = Run.objects.of_batch(results.batch.pk)
    rows.filter(index__in=[13, 17]).update(state="running", finished_at=None)
    Batch.objects.update(state="running")
    report = results.export_folder(folder, part_rows=10)
    assert (report.rows, report.parts, report.complete) == (13, 2, False)
    assert results.export_folder(folder).written == 0
    rows.filter(index=13).update(state="succeeded", finished_at=STARTED)
    assert results.export_folder(folder).rows == 17
    rows.filter(index=17).update(state="failed", finished_at=STARTED)
    assert outputs(folder) == [str(index) for index in range(17)]
    Batch.objects.update(state="completed")
    assert results.export_folder(folder).complete
    assert outputs(folder) == [str(index) for index in range(25)]


def test_a_row_that_starts_again_while_its_part_is_written_is_left_for_later(results, folder, monkeypatch):
    from batches.results import folder as module

    def rival(path, data, **options):
        Run.objects.of_batch(results.batch.pk).filter(index=5).update(state="pending", finished_at=None)
        write_whole(path, data, **options)

    monkeypatch.setattr(module, "write_whole", rival)
    report = results.export_folder(folder, part_rows=10)
    assert manifest(folder)["parts"][0]["rows"] == 5
    assert not report.complete
    Run.objects.of_batch(results.batch.pk).filter(index=5).update(state="succeeded", finished_at=STARTED)
    monkeypatch.undo()
    assert results.export_folder(folder).complete
    assert outputs(folder) == [str(index) for index in range(25)]


def test_following_ends_with_the_batch(results, folder, monkeypatch):
    monkeypatch.setattr("batches.results.folder.FOLLOW_SECONDS", 0.05)
    rows = Run.objects.of_batch(results.batch.pk)
    rows.filter(index__gte=8).update(state="running", finished_at=None)
    Batch.objects.update(state="running")
    found = []
    thread = threading.Thread(target=lambda: found.append(results.export_folder(folder, part_rows=10, follow=True)))
    thread.start()
    time.sleep(0.2)
    rows.update(state="succeeded", finished_at=STARTED)
    Batch.objects.update(state="completed")
    thread.join(20)
    assert (found[0].rows, found[0].written, found[0].complete) == (25, 3, True)


def test_a_batch_without_rows_has_a_complete_manifest(folder):
    report = BatchResults(make_finished([])).export_folder(folder)
    assert (report.rows, report.parts, report.complete) == (0, 0, True)


def test_a_folder_of_something_else_is_refused(results, folder):
    results.export_folder(folder, part_rows=10)
    other = BatchResults(make_finished([{}]))
    for refused, message in [
        (lambda: other.export_folder(folder), f"holds results of batch {results.batch.pk}"),
        (lambda: results.export_folder(folder, "csv"), "holds jsonl, not csv"),
        (lambda: results.export_folder(folder, part_rows=11), "has parts of 10 rows"),
        (lambda: results.export_folder(folder.parent), "and no manifest"),
        (lambda: results.export_folder(folder / "a" / "b"), "cannot be made"),
        (lambda: results.export_folder(folder, part_rows=0), "allowed: 1 to 1000000"),
        (lambda: results.export_folder(folder, "xml"), "allowed: csv, jsonl, parquet"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            refused()
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(InvalidInput, match="is no manifest"):
        results.export_folder(folder)


@pytest.mark.security
@pytest.mark.parametrize("name", ["part-00001.jsonl", "manifest.json"])
def test_a_link_in_the_folder_is_replaced_and_not_followed(results, folder, name):
    results.export_folder(folder, part_rows=10)
    outside = folder.parent / "outside"
    outside.write_bytes((folder / name).read_bytes() if name == "manifest.json" else b"precious")
    before = outside.read_bytes()
    (folder / name).unlink()
    (folder / name).symlink_to(outside)
    Run.objects.filter(pk=results.batch.run_ids[0] + 12).update(attempt=2)
    results.export_folder(folder)
    assert outside.read_bytes() == before
    assert not (folder / name).is_symlink()
    assert outputs(folder) == [str(index) for index in range(25)]
    assert results.export_folder(folder).written == 0


@pytest.mark.parametrize(
    "said",
    [
        {"part_rows": 0},
        {"part_rows": "10"},
        {"name": 5},
        {"name": "../outside"},
        {"rows": "10"},
        {"first": 3},
        {"last": 99},
    ],
)
def test_a_manifest_that_nobody_here_wrote_is_refused(results, folder, said):
    results.export_folder(folder, part_rows=10)
    found = manifest(folder)
    whose = found if "part_rows" in said else found["parts"][1]
    whose.update(said)
    (folder / "manifest.json").write_text(json.dumps(found))
    with pytest.raises(InvalidInput, match="is no manifest"):
        results.export_folder(folder)


def test_two_writers_do_not_share_a_folder(results, folder):
    folder.mkdir()
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(InvalidInput, match="another export writes to it"):
            results.export_folder(folder)
    finally:
        os.close(handle)


PROGRAM = """
import django, sys; django.setup()
from pathlib import Path
from batches.models import Batch
from batches.results import BatchResults
print("ready", flush=True)
BatchResults(Batch.objects.get(pk=sys.argv[1])).export_folder(Path(sys.argv[2]), part_rows=2_000)
"""


def test_a_writer_that_is_killed_again_and_again_loses_and_doubles_nothing(worker_env, folder):
    batch = finished_batch(40_000)
    with connection.cursor() as cursor:
        cursor.execute('UPDATE batches_run SET output = CAST("index" AS text) WHERE batch_id = %s', [batch.pk])
    Batch.objects.update(state="completed")
    rng = random.Random(7)
    for _ in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(batch.pk), str(folder)],
            env={**worker_env, "DJANGO_SETTINGS_MODULE": "arboretum.settings"}, cwd=ROOT, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.25))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        if (folder / "manifest.json").exists():
            found = outputs(folder)
            assert found == [str(index) for index in range(len(found))]
    report = BatchResults(batch).export_folder(folder, part_rows=2_000)
    assert report.complete
    assert outputs(folder) == [str(index) for index in range(40_000)]
    assert {path.name for path in folder.iterdir()} == {"manifest.json", *(f"part-{n:05d}.jsonl" for n in range(20))}
