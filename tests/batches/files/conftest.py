"""A storage of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The folder in which this test's files lie."""
    place = tmp_path / "files"
    kind = {"BACKEND": "batches.files.local.LocalFiles", "OPTIONS": {"location": place}}
    with override_settings(STORAGES={"files": kind}):
        yield place
