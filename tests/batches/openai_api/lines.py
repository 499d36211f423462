"""Input files of batches, made for tests."""

import json
from collections.abc import Mapping
from typing import Any

import openai
from openai.types import Batch

from tests.support.waiting import wait_for

CHAT = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
RESPONSES = "/v1/responses"
ENDED = ("completed", "failed", "cancelled", "expired")


def line(custom_id: str, body: Mapping[str, Any], url: str = CHAT, method: str = "POST") -> bytes:
    """Return a line of a file."""
    request = {"custom_id": custom_id, "method": method, "url": url, "body": body}
    return json.dumps(request).encode() + b"\n"


def chat(custom_id: str, model: str, text: str = "", **body: Any) -> bytes:
    """Return a line that asks `model` for a chat about `text`."""
    return line(custom_id, {"model": model, "messages": [{"role": "user", "content": text or custom_id}], **body})


def create(client: openai.OpenAI, content: bytes, endpoint: str = CHAT, **options: Any) -> Batch:
    """Upload a file and create a batch over it."""
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    terms = {"endpoint": endpoint, "completion_window": "24h"} | options
    return client.batches.create(input_file_id=file.id, **terms)


def ended(client: openai.OpenAI, batch_id: str, seconds: float = 60) -> Batch:
    """Return a batch once it has ended."""
    wait_for(lambda: client.batches.retrieve(batch_id).status in ENDED, seconds, f"{batch_id} to end")
    return client.batches.retrieve(batch_id)


def records(client: openai.OpenAI, file_id: str | None) -> dict[str, Any]:
    """Return the lines of a file that a batch wrote, by custom_id."""
    assert file_id is not None
    lines = [json.loads(text) for text in client.files.content(file_id).text.splitlines()]
    found = {record["custom_id"]: record for record in lines}
    assert len(found) == len(lines)
    return found
