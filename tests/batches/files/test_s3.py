"""Files in a bucket, on a local server that speaks S3's protocol."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from django.test import override_settings
from moto.server import ThreadedMotoServer

from arboretum.settings.environment import env
from arboretum.settings.files import files_storage
from batches.files.selectors import find_file
from batches.files.services import delete_file, prune_files, store_file
from batches.files.storage import file_storage
from batches.models import File
from tests.support.factories import make_user
from tests.support.ports import free_port

from .forms import LINES, TYPE, upload_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the S3 server listens."""
    port = free_port()
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def bucket(address: str, monkeypatch: pytest.MonkeyPatch):
    """An empty bucket, which is the storage of files; with boto3's own variables alone."""
    values = {
        "ENDPOINT_URL_S3": address,
        "ACCESS_KEY_ID": "id",
        "SECRET_ACCESS_KEY": "x",
        "DEFAULT_REGION": "us-east-1",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    bucket = boto3.resource("s3").Bucket("trees")
    bucket.create()
    with override_settings(STORAGES={"files": files_storage("s3://trees/arboretum/files")}):
        yield bucket
    bucket.objects.delete()
    bucket.delete()


def keys(bucket) -> list[str]:
    return [found.key for found in bucket.objects.all()]


def test_a_file_goes_into_the_bucket_and_out_again(bucket):
    file = store_file(make_user(), [upload_of()], TYPE)
    assert keys(bucket) == [f"arboretum/files/{file.storage_name}"]
    assert b"".join(find_file(file.owner, file.public_id).open_chunks()) == LINES
    assert b"".join(file_storage().chunks(file.storage_name, 5)) == LINES[5:]
    delete_file(file)
    assert keys(bucket) == []
    with pytest.raises(FileNotFoundError):
        next(file_storage().chunks(file.storage_name))


def test_a_large_file_goes_in_parts_and_the_same_comes_out(bucket):
    block = bytes(range(256)) * 4096

    def pieces() -> Iterator[bytes]:
        whole = upload_of(b"", "user_data")
        yield whole[:-16]
        for _ in range(40):
            yield block
        yield whole[-16:]

    file = store_file(make_user(), pieces(), TYPE)
    assert file.bytes == 40 * len(block)
    assert next(iter(bucket.objects.all())).e_tag.strip('"').endswith("-5")
    assert b"".join(file_storage().chunks(file.storage_name)) == block * 40


def test_an_upload_that_breaks_off_leaves_nothing_in_the_bucket(bucket):
    def broken() -> Iterator[bytes]:
        yield upload_of(b"", "user_data")[:-16]
        for _ in range(40):
            yield b"x" * 1024 * 1024
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store_file(make_user(), broken(), TYPE)
    assert keys(bucket) == []
    assert list(bucket.multipart_uploads.all()) == []
    assert not File.objects.exists()


def test_orphans_in_the_bucket_are_found_below_the_prefix_alone(bucket, monkeypatch: pytest.MonkeyPatch):
    file = store_file(make_user(), [upload_of()], TYPE)
    bucket.put_object(Key="arboretum/files/orphan", Body=b"x")
    bucket.put_object(Key="somebody/else", Body=b"x")
    assert prune_files() == 0
    later = datetime.now(UTC) + timedelta(days=2)
    assert set(file_storage().names_before(later)) == {file.storage_name, "orphan"}
    monkeypatch.setattr("batches.files.services.ORPHANED_AFTER", timedelta(days=-2))
    assert prune_files() == 1
    assert sorted(keys(bucket)) == sorted([f"arboretum/files/{file.storage_name}", "somebody/else"])


@pytest.mark.parametrize("url", ["ftp://x/y", "/srv/files", "s3://", "s3:bucket"])
def test_an_address_that_is_none_is_noted(url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(env, "problems", [])
    assert files_storage(url)["BACKEND"].endswith("LocalFiles")
    assert "ARBORETUM_FILES_URL" in env.problems[0]


def test_a_bucket_without_its_extra_is_noted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(env, "problems", [])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    files_storage("s3://trees")
    assert "arboretum[s3]" in env.problems[0]
