"""What goes into a model call and what comes out, the same for every provider."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
_MILLION = Decimal(1_000_000)
# Of one call. The largest context windows are some 10,000,000; a server that claims more than twice that is broken or
# lies. A hundred such calls still fit the columns that add them up, of 31 bits.
MOST_TOKENS = 20_000_000


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model asks for. `arguments` is the JSON text as the model wrote it, valid or not."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. `tool_call_id` is set on the result of a tool (role `tool`)."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as it is shown to the model; `parameters` is a JSON schema of type object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a call, as the provider counted them."""

    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens)


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per 1,000,000 tokens."""

    input: Decimal = Decimal(0)
    output: Decimal = Decimal(0)

    def cost(self, usage: Usage) -> Decimal:
        """Return what `usage` costs in US dollars, to 9 places."""
        total = (usage.input_tokens * self.input + usage.output_tokens * self.output) / _MILLION
        return total.quantize(Decimal("1e-9"))


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One call of a model.

    `parameters` are the agent's (temperature, max_tokens, ...), passed through; `output_schema` asks for JSON of that
    shape where the provider can; `timeout` is in seconds for the whole call; `correlation_id` goes out as a header.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    output_schema: Mapping[str, Any] | None = None
    timeout: float = 600.0
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's whole answer. `rate_limits` holds the `x-ratelimit-*` headers, names in lower case."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    finish_reason: str = "stop"
    model: str = ""
    request_id: str = ""
    rate_limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer's text while it streams."""

    text: str


Chunk = TextDelta | Completion
"""What a stream yields: any number of TextDelta, then exactly one Completion with the whole."""
