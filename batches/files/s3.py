"""Files in a bucket of Amazon S3, or of a server that speaks its protocol. Needs the extra `s3`."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from storages.backends.s3 import S3Storage
from storages.utils import clean_name

from .storage import CHUNK_BYTES

# S3 takes 10,000 parts of a file (its manual, "multipart upload limits"): 80 GiB, more than any file may have here.
_PART_BYTES = 8 * 1024 * 1024
_PARTS_AT_ONCE = 2


class S3Files(S3Storage):  # type: ignore[misc]
    """A bucket. Uploads and downloads hold a few parts in memory, however large the file is."""

    def __init__(self, **settings: Any) -> None:
        transfer = TransferConfig(
            multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
        )
        # No argument of its own: s3transfer would hold 10 parts of each upload.
        transfer.max_in_memory_upload_chunks = _PARTS_AT_ONCE
        super().__init__(**{"transfer_config": transfer, "max_memory_size": CHUNK_BYTES, **settings})

    def chunks(self, name: str, start: int = 0) -> Iterator[bytes]:
        """Yield a file's bytes from `start` on. Raises FileNotFoundError where there is none."""
        wanted = {"Range": f"bytes={start}-"} if start else {}
        try:
            body = self.bucket.Object(self._key(name)).get(**wanted)["Body"]
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                raise FileNotFoundError(name) from None
            raise
        try:
            yield from body.iter_chunks(CHUNK_BYTES)
        finally:
            body.close()

    def names_before(self, moment: datetime) -> Iterator[str]:
        """Yield the names of what was last written before `moment`; half uploads are not listed by S3."""
        start = f"{self.location}/" if self.location else ""
        for found in self.bucket.objects.filter(Prefix=start):
            if found.last_modified < moment:
                yield found.key.removeprefix(start)

    def require_space(self, size: int) -> None:
        """Do nothing: a bucket has no bound."""

    def _key(self, name: str) -> str:
        key: str = self._normalize_name(clean_name(name))
        return key
