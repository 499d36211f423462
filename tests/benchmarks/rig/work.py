"""Agents, input files and batches for a case, made and read as users make and read them."""

import csv
import itertools
import time
from pathlib import Path

from agents.models import AgentVersion
from agents.services import create_agent
from batches.manager import BatchManager
from batches.models import Batch
from batches.states import TERMINAL_BATCH_STATES
from credentials.models import Credential, User
from credentials.services import add_credential, ensure_first_superuser
from tests.support.provider_server import ProviderServer

FILLER = " The parcel has not arrived, the tracking page has said the same for nine days, and nobody answers the phone."
POLL_SECONDS = 0.05
_numbers = itertools.count(1)


def row_text(index: int) -> str:
    """Return the text of a row, about 120 characters, like that of no other row. Echoed, it tells its row."""
    return f"Ticket {index}:{FILLER}"


def row_id(index: int) -> str:
    """Return the custom_id of a row."""
    return f"ticket-{index}"


def write_csv(path: Path, rows: int) -> Path:
    """Write a CSV file of `rows` rows with custom_id and text; return its path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("custom_id", "text"))
        writer.writerows((row_id(index), row_text(index)) for index in range(rows))
    return path


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

    def batch(self, version: AgentVersion, rows: int) -> Batch:
        """Return a batch of `version` over a new file of `rows` rows, ready to start."""
        return self.manager.create(version, write_csv(self.folder / f"input-{rows}.csv", rows))

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
