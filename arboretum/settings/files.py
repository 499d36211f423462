"""Uploaded files: where they lie, how large they may be, and which requests bring them."""

import importlib.util
from typing import Any
from urllib.parse import urlsplit

from .environment import DATA_DIR, env

ARBORETUM_FILES_URL: str = env.str("ARBORETUM_FILES_URL", default="")
ARBORETUM_MAX_FILE_BYTES: int = env.int("ARBORETUM_MAX_FILE_BYTES", default=2147483648, least=1024, most=68719476736)
# Method and path of the requests whose body is an upload: read by the view as it comes (workers/streamed_body.py).
STREAMED_BODIES = [("POST", "/v1/files")]


def files_storage(url: str) -> dict[str, Any]:
    """Return Django's settings of the storage at `url`: `s3://bucket/prefix`, or empty for the data directory."""
    parts = urlsplit(url)
    if parts.scheme == "s3" and parts.hostname:
        if importlib.util.find_spec("storages") is None:
            env.problems.append("ARBORETUM_FILES_URL needs the extra 's3': pip install 'arboretum[s3]'.")
        # Keys, region and the address of another server than Amazon's come from AWS's own variables, by boto3.
        options = {"bucket_name": parts.netloc, "location": parts.path.strip("/"), "file_overwrite": False}
        return {"BACKEND": "batches.files.s3.S3Files", "OPTIONS": options}
    if url:
        env.problems.append("ARBORETUM_FILES_URL must be like s3://bucket/prefix; empty for the data directory.")
    return {"BACKEND": "batches.files.local.LocalFiles", "OPTIONS": {"location": DATA_DIR / "files"}}


FILES_STORAGE = files_storage(ARBORETUM_FILES_URL)
