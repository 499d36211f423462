"""Agents, input files and batches for a case, made and read as users make and read them."""

import itertools
import time
from pathlib import Path
from typing import Unpack

from agents.models import AgentVersion
from agents.services import create_agent
from batches.manager import BatchManager, BatchOptions
from batches.models import Batch
from batches.states import TERMINAL_BATCH_STATES
from credentials.models import Credential, User
from credentials.services import ModelLimits, add_credential, ensure_first_superuser, set_model
from tests.support.provider_server import ProviderServer

from .rows import row_id as row_id
from .rows import row_text as row_text
from .rows import write_csv as write_csv

POLL_SECONDS = 0.05
_numbers = itertools.count(1)


class Work:
    """A user with a credential, and the batches of their agents. Everything goes through the services."""

    def __init__(self, folder: Path, server: ProviderServer | None = None) -> None:
        """Use the provider server through the `openai` provider, or the simulated provider where there is none."""
        self.folder = folder
        self.server = server
        self._number = next(_numbers)
        self.user: User = ensure_first_superuser()[0]
        self.manager = BatchManager(self.user)
        self._credential = self._add_credential()

    def _add_credential(self) -> Credential:
        name = f"credential-{self._number}"
        if self.server is None:
            return add_credential(self.user, name=name, provider="simulated")
        return add_credential(
            self.user, name=name, provider="openai", key="sk-of-nobody", base_url=self.server.base_url
        )

    def agent(self, slug: str, *, seconds: float = 0.0, **content: object) -> AgentVersion:
        """Return an agent that echoes the column `text`, on the simulated provider after `seconds`.

        How long the provider server takes is its own setting.
        """
        parameters = {} if self.server else {"simulated": {"reply": "echo", "latency": seconds}}
        values = {"model": "fake-small", "prompt": "{{ text }}", "parameters": parameters, **content}
        slug = f"{slug}-{self._number}"
        agent = create_agent(self.user, slug=slug, credential=self._credential, **values)  # type: ignore[typeddict-item]
        assert agent.current_version is not None
        return agent.current_version

    def plain_model(self, model: str) -> str:
        """Return the name by which programs ask the provider for a model of its own."""
        return f"{self._credential.name}/{model}"

    def limit(self, model: str, **limits: Unpack[ModelLimits]) -> None:
        """Set the limits of a model, as `manage.py models set` does; agents name it in `model`."""
        set_model(self._credential, model, **limits)

    def batch(self, version: AgentVersion, rows: int, *, weight: int = 1) -> Batch:
        """Return a batch of `version` over a new file of `rows` rows, ready to start."""
        path = write_csv(self.folder / f"input-{rows}.csv", rows)
        return self.manager.create(version, path, BatchOptions(weight=weight))

    def warm_up(self, version: AgentVersion, rows: int = 400) -> None:
        """Run a batch to its end, so that every process has loaded what it needs. Raises AssertionError."""
        batch = self.manager.start(self.batch(version, rows))
        assert seconds_to_end(batch, 60) is not None, "the warm-up batch did not end"


def seconds_to_end(batch: Batch, patience: float) -> float | None:
    """Return the seconds until the batch has ended; None where it did not within `patience` seconds."""
    started = time.monotonic()
    while True:
        batch.refresh_from_db(fields=["state"])
        waited = time.monotonic() - started
        if batch.state in TERMINAL_BATCH_STATES:
            batch.refresh_from_db()
            return waited
        if waited > patience:
            return None
        time.sleep(POLL_SECONDS)
