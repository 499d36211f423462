"""docs/analysis.md: its Python runs on a batch that real workers finished, and says what is true."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from batches.manager import BatchManager
from batches.models import Batch
from batches.results import BatchResults
from batches.states import BatchState
from dashboard.management.demo_agent import PARAMETERS, ensure_demo_agent
from tests.support.factories import make_superuser, make_version
from tests.support.waiting import wait_for
from tests.support.worker_harness import Workers

from .documents import ROOT, blocks, text_of

TICKETS = ROOT / "docs/examples/support_tickets.csv"
AT_ONCE = {"simulated": {**PARAMETERS["simulated"], "latency": 0.01}}


@pytest.fixture
def batch(worker_env: dict[str, str], tmp_path: Path) -> Batch:
    """The demo's agent, made quick, over the first of its tickets."""
    user = make_superuser()
    version = ensure_demo_agent(user)
    fields = ("credential", "model", "instructions", "prompt", "output_schema")
    quick = make_version(version.agent, parameters=AT_ONCE, **{name: getattr(version, name) for name in fields})
    path = tmp_path / "tickets.csv"
    with TICKETS.open(encoding="utf-8", newline="") as given, path.open("w", encoding="utf-8", newline="") as taken:
        writer = csv.writer(taken)
        writer.writerows(row for number, row in enumerate(csv.reader(given)) if number <= 100)
    manager = BatchManager(user)
    batch = manager.create(quick, path)
    with Workers(1, env=worker_env):
        manager.start(batch)
        wait_for(lambda: Batch.objects.get(pk=batch.pk).state == BatchState.COMPLETED, 60, "the batch")
    return Batch.objects.get(pk=batch.pk)


@pytest.mark.worker
@pytest.mark.django_db(transaction=True)
def test_the_notebook_runs_as_it_stands(batch: Batch, worker_env: dict[str, str]) -> None:
    program = "\n".join(blocks(text_of("docs/analysis.md"), "python"))
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **worker_env}, cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = BatchResults(batch).aggregate("parsed.category", "count")
    assert answer.total == 100
    for row in answer.rows:
        assert f"\n{row['parsed.category']} {row['count']} " in done.stdout
