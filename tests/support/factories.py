"""Rows for tests, straight through the models: every argument has a sensible default and may be overridden.

The default agent runs on the simulated provider, echoes the column `text` and answers at once, so that each output
can be traced to its own row.
"""

import itertools
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from django.utils import timezone

from agents.models import Agent, AgentVersion
from batches.ids import batch_run_id, single_run_id
from batches.models import Batch, File, Run
from batches.states import BatchState, RunState
from credentials.models import Credential, IdempotencyKey, User

ECHO = {"simulated": {"reply": "echo", "latency": 0}}
_numbers = itertools.count(1)


def make_user(**fields: Any) -> User:
    """Return a stored user. `password` may be given; else the user has none."""
    fields = {"username": f"user{next(_numbers)}"} | fields
    return User.objects.create_user(**fields)


def make_superuser(**fields: Any) -> User:
    """Return a stored superuser."""
    return make_user(**({"username": f"admin{next(_numbers)}", "is_staff": True, "is_superuser": True} | fields))


def make_credential(owner: User | None = None, *, key: str = "", **fields: Any) -> Credential:
    """Return a stored credential of the simulated provider, with `key` encrypted into it."""
    fields = {"name": f"credential{next(_numbers)}", "provider": "simulated"} | fields
    credential = Credential(owner=owner or make_user(), **fields)
    credential.set_key(key)
    credential.save()
    return credential


def make_idempotency_key(user: User | None = None, **fields: Any) -> IdempotencyKey:
    """Return the stored key of a request that was answered with 201."""
    now = timezone.now()
    defaults = {"key": f"key{next(_numbers)}", "target": "POST /api/v1/runs", "digest": "0" * 64, "status": 201}
    moments = {"claim": uuid.uuid4(), "claimed_at": now, "created_at": now}
    return IdempotencyKey.objects.create(user=user or make_user(), **(defaults | moments | fields))


def make_agent(owner: User | None = None, *, slug: str = "", name: str = "", **version_fields: Any) -> Agent:
    """Return a stored agent with version 1, which `version_fields` describe."""
    agent = Agent.objects.create(owner=owner or make_user(), slug=slug or f"agent{next(_numbers)}", name=name)
    make_version(agent, **version_fields)
    return agent


def make_version(agent: Agent, **fields: Any) -> AgentVersion:
    """Return a stored version of `agent`, the next in number, and make it the current one."""
    before = agent.current_version
    defaults = {
        "number": (before.number if before else 0) + 1,
        "model": "echo-1",
        "prompt": "{{ text }}",
        "parameters": ECHO,
        "created_by": agent.owner,
    }
    if "credential" not in fields:
        fields["credential"] = before.credential if before else make_credential(agent.owner)
    version = AgentVersion.objects.create(agent=agent, **(defaults | fields))
    agent.current_version = version
    agent.save(update_fields=["current_version"])
    return version


def make_batch(
    owner: User | None = None,
    version: AgentVersion | None = None,
    rows: int | Sequence[Mapping[str, Any]] = 0,
    **fields: Any,
) -> Batch:
    """Return a stored batch, ready to start, with a pending run per row.

    A number of rows makes rows of one column, `{"text": "row 0"}` and so on. A row's `custom_id` becomes the run's.
    """
    version = version or _current_version(make_agent(owner))
    inputs = [{"text": f"row {index}"} for index in range(rows)] if isinstance(rows, int) else list(rows)
    defaults: dict[str, Any] = {
        "state": BatchState.READY,
        "total": len(inputs),
        "columns": list(inputs[0]) if inputs else ["text"],
    }
    batch = Batch.objects.create(owner=owner or version.agent.owner, agent_version=version, **(defaults | fields))
    runs = (_run(batch.owner, version, row, batch=batch, index=index) for index, row in enumerate(inputs))
    Run.objects.bulk_create(runs, batch_size=1000)
    return batch


def make_single_run(version: AgentVersion | None = None, input: Mapping[str, Any] | None = None, **fields: Any) -> Run:
    """Return a stored run without a batch, queued."""
    version = version or _current_version(make_agent())
    fields = {"state": RunState.QUEUED, "owner": version.agent.owner} | fields
    run = _run(fields.pop("owner"), version, {"text": "hello"} if input is None else input, **fields)
    run.save(force_insert=True)
    return run


def _run(owner: User, version: AgentVersion, row: Mapping[str, Any], **fields: Any) -> Run:
    batch: Batch | None = fields.get("batch")
    custom_id = row.get("custom_id")
    defaults = {
        "id": batch_run_id(batch.pk, fields["index"]) if batch else single_run_id(),
        "custom_id": None if custom_id is None else str(custom_id),
        "input_json": orjson.dumps(dict(row)).decode(),
        "created_at": timezone.now(),
    }
    return Run(owner=owner, agent_version=version, **(defaults | fields))


def _current_version(agent: Agent) -> AgentVersion:
    assert agent.current_version is not None
    return agent.current_version


def make_file(owner: User | None = None, **fields: Any) -> File:
    """Return the row of an uploaded file for batches. It has no content."""
    number = next(_numbers)
    named = {"filename": f"requests{number}.jsonl", "storage_name": f"stored{number}", "bytes": 2}
    return File.objects.create(owner=owner or make_user(), **({"purpose": "batch"} | named | fields))
