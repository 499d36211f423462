"""Batches whose input waits to be read."""

import json
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import storages

from agents.models import Agent
from batches.models import Batch
from batches.openai_api.batch.creating import create_batch
from batches.openai_api.batch.terms import BatchTerms
from credentials.models import User
from tests.support.factories import make_file

CHAT = "/v1/chat/completions"


def chat(custom_id: str, agent: Agent | str, **body: Any) -> bytes:
    """Return a line that asks an agent, or a model by its name, for a chat."""
    model = agent if isinstance(agent, str) else f"agent:{agent.slug}"
    messages = [{"role": "user", "content": custom_id}]
    request = {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": {"model": model, "messages": messages}}
    request["body"] |= body
    return json.dumps(request).encode() + b"\n"


def waiting_batch(owner: User, content: bytes, window: str = "24h") -> Batch:
    """Return a batch whose input is `content`."""
    name = storages["files"].save(f"input-{owner.pk}-{hash(content)}", ContentFile(content))
    file = make_file(owner, storage_name=name, bytes=len(content))
    return create_batch(owner, BatchTerms(file.public_id, CHAT, window))
