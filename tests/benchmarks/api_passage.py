"""A batch through `/v1` by the unmodified openai client, from file in to file out, and what each step took."""

import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import openai
from openai.types import Batch

from tests.support.web_server import WebServer

from .rig.rows import write_chats

ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
POLL_SECONDS = 0.1
WARM_ROWS = 400
TIMEOUT_SECONDS = 600.0
ENDED = frozenset({"completed", "failed", "cancelled", "expired"})


@dataclass(frozen=True, slots=True)
class ApiPassage:
    """Seconds of each step: the upload, the answer to create, until the input is checked, until the end, the output."""

    uploaded: float
    created: float
    validated: float
    ran: float
    read: float

    @property
    def whole(self) -> float:
        """Seconds from file in to file out."""
        return self.uploaded + self.created + self.validated + self.ran + self.read


class ApiBatches:
    """Batches of one caller of a web process."""

    def __init__(self, web: WebServer, token: str) -> None:
        """Connect nothing yet; close `client` at the end."""
        self.client = openai.OpenAI(base_url=f"{web.origin}/v1", api_key=token, max_retries=0, timeout=TIMEOUT_SECONDS)

    def warm_up(self, folder: Path, model: str) -> None:
        """Run a small batch to its end, so that every process has loaded what it needs."""
        source = write_chats(folder / "few.jsonl", WARM_ROWS, model)
        self.pass_through(source, folder / "few-output.jsonl", WARM_ROWS, patience=TIMEOUT_SECONDS)

    def pass_through(self, source: Path, target: Path, rows: int, *, patience: float) -> ApiPassage:
        """Upload, create, wait and read the output to `target`; return what each took.

        Raises AssertionError where the batch has not completed all rows after `patience` seconds.
        """
        marks = [time.monotonic()]
        with source.open("rb") as lines:
            file = self.client.files.create(file=lines, purpose="batch")
        marks.append(time.monotonic())
        batch = self.client.batches.create(input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h")
        marks.append(time.monotonic())
        self._until(batch.id, ENDED | {"in_progress", "finalizing"}, patience)
        marks.append(time.monotonic())
        batch = self._until(batch.id, ENDED, patience)
        marks.append(time.monotonic())
        assert batch.status == "completed", f"{batch.status}: {batch.errors}"
        assert batch.request_counts is not None
        assert batch.request_counts.completed == rows, batch.request_counts
        assert batch.output_file_id is not None
        with self.client.files.with_streaming_response.content(batch.output_file_id) as content:
            content.stream_to_file(target)
        marks.append(time.monotonic())
        return ApiPassage(*(after - before for before, after in pairwise(marks)))

    def _until(self, batch_id: str, statuses: frozenset[str], patience: float) -> Batch:
        deadline = time.monotonic() + patience
        while (batch := self.client.batches.retrieve(batch_id)).status not in statuses:
            assert time.monotonic() < deadline, f"the batch is {batch.status} still: {batch.request_counts}"
            time.sleep(POLL_SECONDS)
        return batch
