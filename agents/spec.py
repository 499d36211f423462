"""What the runner needs to know of an agent version: plain frozen values, no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from workers.retry import RetryPolicy

from .llm.types import Price, ToolSpec

# What a request for embeddings of several texts does; versions know `embeddings`, of one prompt.
EMBEDDING_LIST = "embedding_list"


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What one run may use. `max_tokens` counts input and output over all steps; `max_cost` is US dollars.

    `max_repairs` is how often the model is asked again when its answer breaks the output schema.
    """

    max_steps: int = 10
    max_tokens: int | None = None
    max_seconds: float = 600.0
    max_cost: Decimal | None = None
    max_repairs: int = 2


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """One agent version, ready to run in memory. `model` is the provider's name of it, without the credential.

    `operation` is `chat`, `embeddings`, or EMBEDDING_LIST. `attachments` are the columns that hold images and files.
    `cache_seconds` is how long an answer may be used again for an identical request; None: never. `is_plain` says that
    this is a provider's model as it is; then `tools` are the caller's own: the model's calls of them are the answer,
    and what it answers is not held against the output schema.
    """

    slug: str
    version: int
    credential: str
    model: str
    instructions: str = ""
    prompt: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    output_schema: Mapping[str, Any] | None = None
    abilities: tuple[str, ...] = ()
    limits: RunLimits = field(default_factory=RunLimits)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    price: Price = field(default_factory=Price)
    operation: str = "chat"
    attachments: tuple[str, ...] = ()
    cache_seconds: int | None = None
    is_plain: bool = False
    tools: tuple[ToolSpec, ...] = ()
