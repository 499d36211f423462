"""Pages over uploads and what batches have written, together."""

from datetime import UTC, datetime, timedelta

import pytest

from batches.files.listing import list_files
from batches.models import Batch
from batches.states import BatchState
from credentials.models import User
from tests.support.factories import make_agent, make_file, make_user

pytestmark = pytest.mark.django_db
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def owner() -> User:
    """Somebody with four uploads and three batches, two of which ended at the moment of an upload."""
    user = make_user()
    version = make_agent(user).current_version
    for minute in (0, 1, 2, 3):
        make_file(user, created_at=START + timedelta(minutes=minute))
    counts = ({"succeeded": 1}, {"succeeded": 1, "failed": 2}, {"cancelled": 1})
    for minute, states in zip((1, 2, 5), counts, strict=True):
        ended = {"state": BatchState.COMPLETED, "finished_at": START + timedelta(minutes=minute)}
        Batch.objects.create(owner=user, agent_version=version, endpoint="/v1/embeddings", **ended, **states)
    return user


def ids(owner: User, *, oldest_first: bool, limit: int, purpose: str = "") -> list[str]:
    """Return the ids of all files, page by page."""
    found: list[str] = []
    has_more = True
    while has_more:
        after = found[-1] if found else ""
        page, has_more = list_files(owner, purpose=purpose, after=after, oldest_first=oldest_first, limit=limit)
        found += [file.public_id for file in page]
        assert len(page) == limit or not has_more
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_of_any_size_hold_every_file_once_in_order(owner: User, limit: int):
    uploads = [f"file-{pk}" for pk in owner.files.order_by("pk").values_list("pk", flat=True)]
    one, two, three = Batch.objects.order_by("pk").values_list("pk", flat=True)
    expected = [
        *(uploads[0], uploads[1], f"file-batch-{one}-output"),
        *(uploads[2], f"file-batch-{two}-output", f"file-batch-{two}-error"),
        *(uploads[3], f"file-batch-{three}-error"),
    ]
    assert ids(owner, oldest_first=True, limit=limit) == expected
    assert ids(owner, oldest_first=False, limit=limit) == expected[::-1]
    written = [name for name in expected if "batch" in name]
    assert ids(owner, oldest_first=True, limit=limit, purpose="batch_output") == written
    assert ids(owner, oldest_first=False, limit=limit, purpose="batch") == uploads[::-1]


def test_a_stranger_sees_none(owner: User):
    assert ids(make_user(), oldest_first=True, limit=5) == []
