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
class ImagePart:
    """An image in a message: a `data:` URL that holds it, or an https URL that the provider fetches.

    `detail` is how closely the model is to look at it (low, high, auto); empty leaves that to the provider.
    """

    url: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file in a message, such as a PDF: a `data:` URL that holds it, or an https URL that the provider fetches."""

    url: str
    name: str = "file"


Part = str | ImagePart | FilePart
"""A part of a message; a str is text."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. `tool_call_id` is set on the result of a tool (role `tool`).

    `content` is its text. `parts` is empty where that is all; else it holds the texts, images and files in their order,
    and `content` the texts alone, joined. `replay` is what a provider wants to be sent back with its own message as it
    was (signed thoughts, for instance); no other provider is sent it. `tokens` stand for the content of a text to be
    embedded that its sender has cut into the model's tokens already.
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    parts: tuple[Part, ...] = ()
    replay: Mapping[str, Any] | None = None
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as it is shown to the model; `parameters` is a JSON schema of type object.

    `strict` asks the provider to keep calls to the schema; None leaves that to it.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a call, as the provider counted them.

    `cached_tokens` are those of the input that the provider had in its own cache, `reasoning_tokens` those of the
    output that the model thought and did not say.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per 1,000,000 tokens. `cached_input` is for input from the provider's cache; None: as other input."""

    input: Decimal = Decimal(0)
    output: Decimal = Decimal(0)
    cached_input: Decimal | None = None

    def cost(self, usage: Usage) -> Decimal:
        """Return what `usage` costs in US dollars, to 9 places."""
        total = usage.input_tokens * self.input + usage.output_tokens * self.output
        if self.cached_input is not None and usage.cached_tokens:
            total -= min(usage.cached_tokens, usage.input_tokens) * (self.input - self.cached_input)
        return (total / _MILLION).quantize(Decimal("1e-9"))


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
    """A model's whole answer. `rate_limits` holds the `x-ratelimit-*` headers, names in lower case.

    `reasoning` is what the model thought, where the provider shows it; `replay` belongs to the message that the answer
    becomes (see Message). `is_cached`: it came from Arboretum's own store of answers, and no call was made.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    finish_reason: str = "stop"
    model: str = ""
    request_id: str = ""
    rate_limits: Mapping[str, str] = field(default_factory=dict)
    reasoning: str = ""
    replay: Mapping[str, Any] | None = None
    is_cached: bool = False


EmbeddingInput = str | tuple[int, ...]
"""A text, or the tokens of one."""


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """One call of an embedding model: `inputs` are texts, or their tokens.

    `parameters` are passed through, `timeout` is in seconds.
    """

    model: str
    inputs: tuple[EmbeddingInput, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 600.0
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Embedding:
    """The vectors of the inputs, in their order; of the usage only the input counts."""

    vectors: tuple[tuple[float, ...], ...]
    usage: Usage = Usage()
    model: str = ""
    request_id: str = ""
    rate_limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer's text while it streams."""

    text: str


Chunk = TextDelta | Completion
"""What a stream yields: any number of TextDelta, then exactly one Completion with the whole."""
