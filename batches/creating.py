"""Writing a batch's rows: short transactions. The rows' ids follow from the batch, so none can be written twice."""

from collections.abc import Callable, Iterable, Iterator

from django.db import transaction
from django.db.models.functions import Now

from .bulk_insert import NewRun, insert_runs
from .ids import batch_run_id
from .inputs import InputReport, InputRow, canonical_json, read_rows
from .models import Batch
from .states import BatchState

# A chunk has this many rows, or as many as make about this many characters.
CHUNK_ROWS = 5_000
CHUNK_CHARACTERS = 8 * 1024 * 1024


def insert_rows(
    batch: Batch,
    report: InputReport,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    use_cache: bool = True,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Write the good rows of a checked file as pending runs, and make the batch ready in the end.

    Without `use_cache` no stored answer serves them. `on_ready` is called in the transaction that makes it ready.

    `updated_at` moves with each chunk, so that maintenance can tell a batch whose writer died. Raises InvalidInput
    where the file has changed since it was checked.
    """
    written = 0
    for chunk in _chunks(_runs(batch, read_rows(report, skip_problems=True))):
        with transaction.atomic():
            insert_runs(batch, chunk, use_cache=use_cache)
            written += len(chunk)
            Batch.objects.filter(pk=batch.pk).update(total=written, updated_at=Now())
        on_progress(written, report.total)
    with transaction.atomic():
        Batch.objects.filter(pk=batch.pk, state=BatchState.VALIDATING).update(state=BatchState.READY, updated_at=Now())
        on_ready()


def _runs(batch: Batch, rows: Iterable[InputRow]) -> Iterator[NewRun]:
    version_id = batch.version.pk
    for index, row in enumerate(rows):
        yield batch_run_id(batch.pk, index), index, row.custom_id, canonical_json(row.columns), version_id


def _chunks(runs: Iterable[NewRun]) -> Iterator[list[NewRun]]:
    chunk: list[NewRun] = []
    characters = 0
    for run in runs:
        chunk.append(run)
        characters += len(run[3])
        if len(chunk) == CHUNK_ROWS or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
