"""The collector of reference cycles still collects."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from workers.collector import THRESHOLDS, calm_collector


@pytest.fixture(autouse=True)
def _own_thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


class Node:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.me = self


def test_garbage_in_cycles_is_still_collected() -> None:
    calm_collector()
    assert gc.get_threshold() == THRESHOLDS
    assert gc.get_freeze_count() > 0
    seen = weakref.ref(Node())
    kept = [[] for _ in range(2 * THRESHOLDS[0])]
    assert seen() is None
    assert len(kept) == 2 * THRESHOLDS[0]
