"""Somebody who calls a running web process: with OpenAI's client, with an HTTP client, and with curl."""

import secrets
import subprocess
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx2
import openai

from credentials.models import User
from credentials.tokens import Scope, create_token

from .factories import make_user
from .web_server import WebServer

TIMEOUT_SECONDS = 60.0
EVERYTHING = tuple(scope for scope in Scope.values if scope != "admin")


@dataclass
class ApiUser:
    """A user, the text of his token, and the server that he calls. Close it: its clients hold connections."""

    server: WebServer
    user: User
    token: str
    _open: list[Any] = field(default_factory=list)

    @classmethod
    def make(cls, server: WebServer, *scopes: str, user: User | None = None) -> Self:
        """Make somebody whose token has `scopes`, by default all but `admin`."""
        user = user or make_user()
        return cls(
            server,
            user,
            create_token(user, f"token of {user.username} {secrets.token_hex(4)}", scopes or EVERYTHING)[1],
        )

    def another(self, *scopes: str, same_user: bool = False) -> "ApiUser":
        """Make another caller of the same server: a stranger, or another token of the same user."""
        other = ApiUser.make(self.server, *scopes, user=self.user if same_user else None)
        self._open.append(other)
        return other

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request."""
        return {"Authorization": f"Bearer {self.token}"}

    def client(self, **options: Any) -> openai.OpenAI:
        """Return OpenAI's client, which retries nothing unless `max_retries` says so."""
        return self._kept(openai.OpenAI(**self._options(options)))

    def async_client(self, **options: Any) -> openai.AsyncOpenAI:
        """Return OpenAI's asynchronous client; the test closes it (`async with`)."""
        return openai.AsyncOpenAI(**self._options(options))

    def http(self) -> httpx2.Client:
        """Return an HTTP client that sends the token."""
        return self._kept(httpx2.Client(base_url=self.server.origin, headers=self.headers, timeout=TIMEOUT_SECONDS))

    def curl(self, path: str, *arguments: str) -> str:
        """Return what `curl` prints when it asks for `path` with the token."""
        command = ["curl", "-sS", "-m", str(TIMEOUT_SECONDS), "-H", f"Authorization: Bearer {self.token}"]
        done = subprocess.run([*command, self.server.origin + path, *arguments], capture_output=True, check=True)
        return done.stdout.decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close every client."""
        for client in self._open:
            client.__exit__(None, None, None)

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        own = {"base_url": f"{self.server.origin}/v1", "api_key": self.token, "max_retries": 0}
        return {**own, "timeout": TIMEOUT_SECONDS, **options}

    def _kept(self, client: Any) -> Any:
        self._open.append(client)
        return client
