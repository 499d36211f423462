"""Files are kept wholly or not at all, and go when their time has come."""

import os
import shutil
import stat
import time
from collections import namedtuple
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from batches.files.listing import list_files
from batches.files.receiving import FORM_BYTES
from batches.files.rules import MissingField
from batches.files.selectors import NoSuchFile, find_file
from batches.files.services import ORPHANED_AFTER, delete_file, prune_files, store_file
from batches.files.storage import NoSpace
from batches.models import Batch, File
from batches.states import BatchState
from batches.tasks import prune_old_files
from tests.support.factories import make_agent, make_batch, make_user
from workers.errors import InvalidInput

from .forms import LINES, TYPE, form_of, upload_of

pytestmark = pytest.mark.django_db(transaction=True)
Usage = namedtuple("Usage", ["total", "used", "free"])


def store(content: bytes = LINES, **fields: str) -> File:
    return store_file(make_user(), [upload_of(content, **fields)], TYPE)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def make_old(path: Path) -> None:
    before = time.time() - ORPHANED_AFTER.total_seconds() - 60
    os.utime(path, (before, before))


def test_a_stored_file_lies_in_a_folder_of_its_owner_alone(folder: Path):
    file = store()
    path = folder / file.storage_name
    assert path.read_bytes() == LINES
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert file.bytes == len(LINES)


def test_what_was_acknowledged_was_synced_before(folder: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[bool] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (real(fd), synced.append(stat.S_ISDIR(os.fstat(fd).st_mode))))
    store()
    assert synced == [False, True]


def test_a_body_that_breaks_off_leaves_nothing(folder: Path):
    def broken() -> Iterator[bytes]:
        yield upload_of(LINES * 100)[:500]
        assert [name for name in left(folder) if name.endswith(".part")]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store_file(make_user(), broken(), TYPE)
    assert left(folder) == []
    assert not File.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        form_of(("file", LINES, "in.jsonl"), ("purpose", b"nothing", None)),
        form_of(("file", LINES, "in.csv"), ("purpose", b"batch", None)),
        form_of(("file", LINES, "in.jsonl"), ("file", LINES, "in.jsonl"), ("purpose", b"batch", None)),
        form_of(("file", LINES, "in.jsonl"), ("purpose", b"batch", None), ("purpose", b"batch", None)),
        form_of(("file", LINES, "in.jsonl"), ("purpose", b"x" * 5000, None)),
        form_of(("file", LINES, "in.jsonl"), *[(f"f{n}", b"", None) for n in range(40)]),
        form_of(("file", LINES, ""), ("purpose", b"user_data", None)),
        form_of(("other", LINES, "in.jsonl"), ("purpose", b"batch", None)),
    ],
)
def test_a_form_that_turns_out_wrong_leaves_nothing(folder: Path, body: bytes):
    with pytest.raises(InvalidInput):
        store_file(make_user(), [body], TYPE)
    assert left(folder) == []
    assert not File.objects.exists()


@pytest.mark.parametrize(
    ("body", "name"), [(form_of(("file", LINES, "a")), "purpose"), (form_of(("purpose", b"batch", None)), "file")]
)
def test_a_missing_field_is_named(folder: Path, body: bytes, name: str):
    with pytest.raises(MissingField) as refused:
        store_file(make_user(), [body], TYPE)
    assert refused.value.name == name


def test_a_file_above_the_limit_is_refused_while_it_comes(folder: Path, settings):
    settings.ARBORETUM_MAX_FILE_BYTES = 2048
    assert store(b"x" * 2048, purpose="user_data").bytes == 2048
    taken = []

    def pieces() -> Iterator[bytes]:
        yield upload_of(b"")[:-16]
        for number in range(1000):
            taken.append(number)
            yield b"x" * 1000

    with pytest.raises(InvalidInput, match=r"File is too large\."):
        store_file(make_user(), pieces(), TYPE)
    assert len(taken) < 10
    with pytest.raises(InvalidInput, match=r"File is too large\."):
        store_file(make_user(), [], TYPE, size=2048 + FORM_BYTES + 1)
    assert len(left(folder)) == 1


def test_what_follows_the_form_is_bounded_too(folder: Path, settings):
    settings.ARBORETUM_MAX_FILE_BYTES = 2048

    def pieces() -> Iterator[bytes]:
        yield upload_of()
        while True:
            yield b"\r\n" * 10_000

    with pytest.raises(InvalidInput, match="too large"):
        store_file(make_user(), pieces(), TYPE)
    assert left(folder) == []


def test_a_full_disk_refuses_before_and_while_it_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch):
    store()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 0, 300 * 1024 * 1024))
    with pytest.raises(NoSpace):
        store_file(make_user(), [upload_of()], TYPE, size=100 * 1024 * 1024)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 0, 257 * 1024 * 1024))
    monkeypatch.setattr("batches.files.local._LOOK_EVERY_BYTES", 1000)
    store()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**40, 0, 255 * 1024 * 1024))
    with pytest.raises(NoSpace):
        store_file(make_user(), [upload_of(LINES * 1000)], TYPE)
    assert len(left(folder)) == 2


def test_a_deleted_file_is_gone_at_once(folder: Path):
    file = store()
    delete_file(file)
    assert left(folder) == []
    assert not File.objects.exists()


def test_a_file_that_a_batch_still_reads_is_kept_unseen_until_then(folder: Path):
    file = store()
    batch = make_batch(file.owner, make_agent(file.owner).current_version, rows=1)
    Batch.objects.filter(pk=batch.pk).update(input_file=file, state=BatchState.VALIDATING)
    delete_file(file)
    with pytest.raises(NoSuchFile):
        find_file(file.owner, file.public_id)
    assert prune_files() == 0
    assert left(folder) == [file.storage_name]
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.RUNNING)
    assert prune_files() == 1
    assert left(folder) == []
    batch.refresh_from_db()
    assert batch.input_file == file
    assert prune_files() == 0


def test_housekeeping_removes_the_expired_and_the_orphaned(folder: Path):
    kept, expired = store(), store()
    File.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    for name in ("half.part", "orphan", "young"):
        (folder / name).write_bytes(b"x")
    for name in ("half.part", "orphan", kept.storage_name):
        make_old(folder / name)
    assert prune_old_files() == 3
    assert left(folder) == sorted([kept.storage_name, "young"])
    assert list(File.objects.all()) == [kept]


def test_a_storage_that_fails_leaves_its_file_to_the_next_time(folder: Path, monkeypatch: pytest.MonkeyPatch):
    file = store()
    with monkeypatch.context() as broken:
        broken.setattr(os, "remove", lambda path: (_ for _ in ()).throw(PermissionError(path)))
        delete_file(file)
    assert left(folder) == [file.storage_name]
    with pytest.raises(NoSuchFile):
        find_file(file.owner, file.public_id)
    assert prune_files() == 1
    assert left(folder) == []


def test_content_that_is_gone_is_told(folder: Path):
    file = store()
    (folder / file.storage_name).unlink()
    with pytest.raises(FileNotFoundError):
        next(find_file(file.owner, file.public_id).open_chunks())


def test_a_page_of_files_costs_the_same_queries_however_many_there_are(folder: Path, django_assert_num_queries):
    file = store()
    for _ in range(3):
        store_file(file.owner, [upload_of()], TYPE)
    with django_assert_num_queries(3):
        found, has_more = list_files(file.owner, purpose="", after="", oldest_first=True, limit=3)
    assert (len(found), has_more, found[0].public_id) == (3, True, file.public_id)
