"""A run by its id, or by its batch and index."""

import pytest

from batches.stories import find_run
from tests.support.factories import make_batch, make_superuser, make_user
from workers.errors import InvalidInput

pytestmark = pytest.mark.django_db


def test_a_row_is_found_by_its_id_and_by_its_place():
    batch = make_batch(rows=3)
    row = batch.runs.get(index=2)

    assert find_run(batch.owner, str(row.pk)) == find_run(batch.owner, f"{batch.pk}:2") == row


@pytest.mark.parametrize(
    "reference", ["", "x", "1:", ":1", "-1", "1:-1", "1:99999999999", "0:1", "9999999999:1", "9" * 20, "1.5", "١"]
)
def test_what_names_no_run_is_told(reference):
    with pytest.raises(InvalidInput, match=r"no run|is named by"):
        find_run(make_superuser(), reference)


@pytest.mark.security
def test_a_stranger_finds_nothing():
    batch = make_batch(rows=1)

    for reference in (str(batch.runs.get().pk), f"{batch.pk}:0"):
        with pytest.raises(InvalidInput, match="There is no run"):
            find_run(make_user(), reference)
