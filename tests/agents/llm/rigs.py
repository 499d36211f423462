"""What the contract's tests need from a provider, for each provider."""

from typing import Any, ClassVar, Protocol

import pytest

from agents.llm.client import LLMClient
from agents.llm.providers.base import ProviderConfig
from agents.llm.registry import provider_type
from agents.llm.types import CompletionRequest, EmbeddingRequest
from tests.support.provider_server import FakeServer
from workers.errors import ErrorCode

from .calls import ask


class Rig(Protocol):
    """A provider whose behaviour a test can set.

    `parameters` are settings that its agents may have; `has_embeddings` and `tells_usage` say what it can.
    """

    client: LLMClient
    parameters: dict[str, Any]
    has_embeddings: bool
    tells_usage: bool

    def request(self, text: str = "Hello there", **values: Any) -> CompletionRequest:
        """Return a request that is answered with its own text, unless set otherwise."""

    def embedding(self, *inputs: str, **values: Any) -> EmbeddingRequest:
        """Return a request for the vectors of `inputs`."""

    def play(self, steps: list[list[dict[str, Any]]]) -> None:
        """Ask for these tool calls before answering."""

    def answer_schema(self, example: str) -> None:
        """Answer requests with an output schema; `example` is an answer that satisfies it."""

    def fail(self, code: ErrorCode) -> None:
        """Fail every call with `code`."""

    def slow_down(self, seconds: float) -> None:
        """Take `seconds` to answer."""

    def think(self, thought: str, tokens: int, cached_tokens: int) -> None:
        """Think before answering, for so many tokens, and tell so many tokens of the prompt as cached."""


class SimulatedRig:
    """The simulated provider, set up by its parameter."""

    parameters: ClassVar[dict[str, Any]] = {"max_tokens": 500, "temperature": 0.5, "seed": 1}
    has_embeddings = True
    tells_usage = True

    def __init__(self) -> None:
        self.client = LLMClient(provider_type("simulated").connect(ProviderConfig()))
        self.settings: dict[str, Any] = {"latency": 0, "reply": "echo"}

    def request(self, text: str = "Hello there", **values: Any) -> CompletionRequest:
        parameters = {"simulated": dict(self.settings), **values.pop("parameters", {})}
        provider_type("simulated").check_parameters("sim-small", parameters)
        return ask(text, model="sim-small", parameters=parameters, **values)

    def embedding(self, *inputs: str, **values: Any) -> EmbeddingRequest:
        parameters = {"simulated": dict(self.settings), **values.pop("parameters", {})}
        return EmbeddingRequest("sim-small", inputs, parameters, timeout=5.0, **values)

    def play(self, steps: list[list[dict[str, Any]]]) -> None:
        self.settings["tool_calls"] = steps

    def answer_schema(self, example: str) -> None:
        self.settings["reply"] = "text"

    def fail(self, code: ErrorCode) -> None:
        self.settings["errors"] = {code.value: 1.0, "retry_after": 7}

    def slow_down(self, seconds: float) -> None:
        self.settings |= {"latency": seconds, "first_token": seconds}

    def think(self, thought: str, tokens: int, cached_tokens: int) -> None:
        pytest.skip("the simulated provider does not think")


class OpenAIRig:
    """The openai provider, set up by its server."""

    faults = {
        ErrorCode.RATE_LIMITED: "rate_limited",
        ErrorCode.TIMEOUT: "timeout",
        ErrorCode.CONNECTION: "reset",
        ErrorCode.SERVER_ERROR: "server_error",
        ErrorCode.OVERLOADED: "overloaded",
        ErrorCode.BAD_RESPONSE: "html",
        ErrorCode.INVALID_REQUEST: "bad_request",
        ErrorCode.CONTENT_POLICY: "content_policy",
        ErrorCode.CONTEXT_LENGTH: "context_length",
        ErrorCode.INVALID_KEY: "invalid_key",
        ErrorCode.QUOTA_EXHAUSTED: "quota",
        ErrorCode.NOT_FOUND: "not_found",
    }

    parameters: ClassVar[dict[str, Any]] = {"max_tokens": 500, "temperature": 0.5, "seed": 1, "tool_choice": "auto"}
    has_embeddings = True
    tells_usage = True
    # What the real server cannot say, so that its dialect cannot either.
    unsaid: ClassVar[frozenset[ErrorCode]] = frozenset()

    def __init__(self, client: LLMClient, server: FakeServer, provider: str = "openai", model: str = "fake-small"):
        self.client = client
        self.server = server
        self.provider = provider
        self.model = model

    def request(self, text: str = "Hello there", **values: Any) -> CompletionRequest:
        provider_type(self.provider).check_parameters(self.model, values.get("parameters", {}))
        return ask(text, model=self.model, **values)

    def embedding(self, *inputs: str, **values: Any) -> EmbeddingRequest:
        return EmbeddingRequest(self.model, inputs, values.pop("parameters", {}), timeout=5.0, **values)

    def play(self, steps: list[list[dict[str, Any]]]) -> None:
        self.server.configure(tool_calls=steps)

    def answer_schema(self, example: str) -> None:
        self.server.configure(reply="fixed", text=example)

    def fail(self, code: ErrorCode) -> None:
        if code in self.unsaid:
            pytest.skip("the server has no way to say so")
        self.server.configure(faults={self.faults[code]: 1.0}, retry_after=7)

    def slow_down(self, seconds: float) -> None:
        self.server.configure(latency=seconds)

    def think(self, thought: str, tokens: int, cached_tokens: int) -> None:
        self.server.configure(reasoning=thought, reasoning_tokens=tokens, cached_tokens=cached_tokens)


class AnthropicRig(OpenAIRig):
    """The anthropic provider, set up by the same server."""

    parameters: ClassVar[dict[str, Any]] = {"max_tokens": 500, "temperature": 0.5, "top_k": 5, "stop": "END"}
    has_embeddings = False

    def __init__(self, client: LLMClient, server: FakeServer) -> None:
        super().__init__(client, server, "anthropic", "claude-haiku-4-5")
