"""What stays the same in a response while its run goes on."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.models import AgentVersion
from batches.news import FinishedRun
from batches.openai_api.running import extension_of

from .body import response_body
from .events import ResponseEvents


@dataclass(frozen=True, slots=True)
class Frame:
    """A run, what was asked of it and when (seconds since 1970), and the version that answers."""

    run_id: int
    request: Mapping[str, Any]
    version: AgentVersion
    created_at: float

    def body(self, state: str, ended: FinishedRun | None, completed_at: float | None = None) -> dict[str, Any]:
        """Return the response in a state of its run, and with its end; one that has just been heard of ended now."""
        if ended is None:
            return response_body(self.run_id, self.request, self.created_at, state)
        extension = extension_of(self.run_id, self.version, ended)
        completed_at = time.time() if completed_at is None else completed_at
        return response_body(self.run_id, self.request, self.created_at, state, ended, completed_at, extension)

    def events(self, after: int = -1) -> ResponseEvents:
        """Return what tells it as a stream, beginning behind the event `after`."""
        is_background = bool(self.request.get("background"))
        return ResponseEvents(self.run_id, self.body, is_background=is_background, after=after)
