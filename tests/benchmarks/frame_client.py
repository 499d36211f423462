"""A data frame of one batch, in a process of its own, so that no earlier frame's memory is used again.

`python -m tests.benchmarks.frame_client LIBRARY BATCH_ID` answers with a line of JSON: `seconds`, and `mb` as the
growth of memory beyond what the libraries themselves take.
"""

import importlib
import json
import os
import sys
import time

import django

from .rig.meter import Meter


def main(library: str, batch_id: int) -> None:
    """Make the frame and print what it took."""
    django.setup()
    from batches.models import Batch
    from batches.results import BatchResults

    for name in (library, "pyarrow"):
        importlib.import_module(name)
    results = BatchResults(Batch.objects.get(pk=batch_id))
    started = time.perf_counter()
    with Meter([os.getpid()]) as meter:
        frame = results.frame(library)
        seconds = time.perf_counter() - started
    assert len(frame) == results.batch.total, "rows are missing"
    print(json.dumps({"seconds": seconds, "mb": meter.growth_mb}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
