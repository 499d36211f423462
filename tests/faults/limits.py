"""The limits that faults must not break: what the model is given, and what the server does with a call beyond it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.provider_server import ProviderServer

from .check import Check, Injection

WINDOW_SECONDS = 60.0
# What a call takes unless a case says so. Below it nothing would be in flight when the fault comes.
CALL_SECONDS = 0.2
# What a call is charged besides its prompt.
MAX_TOKENS = 200


@dataclass(frozen=True, slots=True)
class SceneLimit:
    """A limit of a model, by its name in `set_model`, and what makes the server as strict.

    `rows_a_minute` is what it lets through, `counted` the server's name for calls beyond it.
    """

    name: str
    words: str
    number: int
    counted: str
    rows_a_minute: float
    server: Mapping[str, Any]
    agent: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.number:,} {self.words}"

    def never_broken(self, injection: Injection, server: ProviderServer) -> Check:
        """Return the check that no call was beyond it. With too few calls there is nothing to see."""
        stats = server.stats()
        beyond, received = stats[self.counted], stats["received"]
        binds = (
            "" if received > self.rows_a_minute or self.counted == "overloaded" else ", so few that it does not bind"
        )
        measured = f"{beyond:,} of {received:,} calls refused{binds}"
        return injection.expect(f"0 calls beyond the limit of {self}", measured, beyond == 0)


def requests_limit(number: int) -> SceneLimit:
    """Return a limit of requests in any minute."""
    server = {"requests_per_window": number, "window": WINDOW_SECONDS}
    return SceneLimit("requests_per_minute", "requests a minute", number, "refused", number, server)


def tokens_limit(number: int) -> SceneLimit:
    """Return a limit of tokens in any minute, charged by the most that a call may use when it is admitted."""
    server = {"tokens_per_window": number, "window": WINDOW_SECONDS, "charge": "admission"}
    agent = {"parameters": {"max_tokens": MAX_TOKENS}}
    rows = number / (1.2 * MAX_TOKENS)
    return SceneLimit("tokens_per_minute", "tokens a minute", number, "refused", rows, server, agent)


def ceiling(number: int) -> SceneLimit:
    """Return a ceiling of calls in flight, each of which takes CALL_SECONDS."""
    rows = number * 60 / CALL_SECONDS
    server = {"overload_above": number}
    return SceneLimit("max_concurrency", "calls in flight", number, "overloaded", rows, server)
