"""Writing a batch's rows: short transactions, each chunk idempotent on the rows' ids."""

from collections.abc import Callable, Iterator
from itertools import islice

from django.db import transaction
from django.db.models.functions import Now

from .ids import batch_run_id
from .inputs import InputReport, InputRow, canonical_json, read_rows
from .models import Batch, Run
from .states import BatchState

CHUNK_ROWS = 2_000


def insert_rows(
    batch: Batch, report: InputReport, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> None:
    """Write the good rows of a checked file as pending runs, and make the batch ready in the end.

    `updated_at` moves with each chunk, so that maintenance can tell a batch whose writer died. Raises InvalidInput
    where the file has changed since it was checked.
    """
    rows = read_rows(report, skip_problems=True)
    written = 0
    while chunk := list(islice(rows, CHUNK_ROWS)):
        with transaction.atomic():
            Run.objects.bulk_create(_runs(batch, written, chunk))
            written += len(chunk)
            Batch.objects.filter(pk=batch.pk).update(total=written, updated_at=Now())
        on_progress(written, report.total)
    Batch.objects.filter(pk=batch.pk, state=BatchState.VALIDATING).update(state=BatchState.READY, updated_at=Now())


def _runs(batch: Batch, start: int, chunk: list[InputRow]) -> Iterator[Run]:
    for index, row in enumerate(chunk, start):
        yield Run(
            id=batch_run_id(batch.pk, index),
            owner_id=batch.owner_id,
            batch_id=batch.pk,
            index=index,
            custom_id=row.custom_id,
            agent_version_id=batch.agent_version_id,
            input_json=canonical_json(row.columns),
            created_at=Now(),
        )
