"""The sizes of the files that a batch writes, which are counted when all its rows have ended."""

from collections.abc import Iterator

import pytest

from batches.execution.finalizing import finalize_batch
from batches.manager import BatchManager
from batches.models import Batch, Run
from batches.openai_api.batch import measuring
from batches.openai_api.batch.lines import file_lines
from batches.reading.task import read_input
from batches.states import BatchState
from tests.batches.reading.files import chat, waiting_batch
from tests.support.factories import make_agent

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_batch_that_is_cancelled_while_its_files_are_measured_is_cancelled_with_their_sizes(
    monkeypatch: pytest.MonkeyPatch,
):
    agent = make_agent()
    batch = waiting_batch(agent.owner, chat("a", agent) + chat("b", agent))
    assert read_input(batch.pk, lambda: False)
    Run.objects.update(state="succeeded", output="x", finished_at=batch.created_at)
    Batch.objects.update(succeeded=2)

    def cancelled_meanwhile(batch: Batch, kind: str) -> Iterator[bytes]:
        yield from file_lines(batch, kind)
        assert Batch.objects.get().state == BatchState.FINALIZING
        BatchManager(agent.owner).cancel(batch, in_background=True)

    monkeypatch.setattr(measuring, "file_lines", cancelled_meanwhile)
    assert measuring.measure_files(batch.pk)
    assert finalize_batch(batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.succeeded) == (BatchState.CANCELLED, 2)
    assert batch.output_bytes == sum(map(len, file_lines(batch, "output"))) > 0
