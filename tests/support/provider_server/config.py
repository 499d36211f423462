"""How the server behaves; every field can be set at start and changed at run time."""

from dataclasses import dataclass, field, fields, replace
from typing import Any

from .dialects import DIALECTS

CHARGES = frozenset({"answer", "admission"})
FAULTS = frozenset(
    {
        "server_error",  # 500
        "overloaded",  # 503
        "rate_limited",  # 429 with Retry-After
        "quota",  # 429, insufficient_quota
        "invalid_key",  # 401
        "forbidden",  # 403
        "not_found",  # 404, unknown model
        "timeout",  # 408
        "bad_request",  # 400
        "context_length",  # 400, context_length_exceeded
        "content_policy",  # 400, content_policy_violation
        "content_filter",  # 200, finish_reason content_filter
        "redirect",  # 302 to another host
        "reset",  # the connection is reset before an answer
        "reset_midway",  # ... in the middle of the answer
        "stall",  # no answer at all
        "stall_midway",  # silence in the middle of the answer
        "truncated",  # JSON, or a stream, that ends too early
        "html",  # a page in place of JSON
        "not_json",  # invalid JSON with the right content type
        "empty_choices",  # JSON without a choice
        "huge",  # an answer of `huge_bytes`
        "huge_error",  # a 500 with a body of `huge_bytes`
        "endless",  # an answer or a stream that never ends
        "gzip_bomb",  # a small compressed answer that unfolds to `huge_bytes`
        "leaky_error",  # a 400 whose message repeats the key
        "error_in_body",  # 200 with an error object, as some gateways do
        "endless_calls",  # a stream of ever more tool calls
    }
)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Settings of the server; times are in seconds."""

    keys: list[str] | None = None  # allowed bearer keys; None: any, or none
    models: list[str] = field(default_factory=lambda: ["fake-small", "fake-large"])
    has_models: bool = True  # whether there is a list of them
    latency: float = 0.0  # until the answer, or the first chunk of a stream
    latency_spread: float = 0.0  # added to it, evenly drawn
    chunk_delay: float = 0.0  # between the chunks of a stream
    chunk_size: int = 16  # characters in a chunk
    reply: str = "echo"  # or "fixed": `text`, a JSON text for instance
    text: str = "Hello."
    tool_calls: list[list[dict[str, Any]]] = field(default_factory=list)  # steps of calls before the answer
    dialect: str = ""  # which server it stands for (`dialects`); empty: one that takes everything
    reasoning: str = ""  # what the model thinks before it answers
    cached_tokens: int = 0  # of the prompt, as usage tells
    reasoning_tokens: int = 0  # of the answer
    usage: bool = True  # whether the answer says its usage
    models_page: int = 1000  # models on a page of Anthropic's list
    overrides: dict[str, Any] = field(default_factory=dict)  # put over the fields of a whole answer, whatever they are
    requests_per_window: int | None = None  # per key, over any window
    tokens_per_window: int | None = None
    window: float = 60.0
    charge: str = "answer"  # what a call takes of the tokens: prompt and answer; or "admission": prompt and max_tokens
    watch_windows: bool = False  # record the use of windows without limits, too
    rate_headers: bool = True  # tell limits in x-ratelimit headers
    overload_above: int | None = None  # calls beyond so many in service are answered as the fault overloaded
    faults: dict[str, float] = field(default_factory=dict)  # share of the calls by fault
    fault_limit: int | None = None  # how many calls may be faulty
    retry_after: float | None = 1.0  # told by the faults rate_limited and overloaded
    early_grace: float = 0.25  # calls on their way while a 429 is sent are not early
    huge_bytes: int = 100_000_000
    track_contents: bool = True  # count calls by content
    seed: int = 0

    def changed(self, values: dict[str, Any]) -> "ServerConfig":
        """Return the settings with `values` in place. Raises ValueError for unknown names, faults and charges."""
        unknown = sorted(set(values) - {one.name for one in fields(self)})
        unknown += sorted(set(values.get("faults", {})) - FAULTS)
        unknown += sorted({values.get("charge", "answer")} - CHARGES)
        unknown += sorted({values.get("dialect", "")} - set(DIALECTS))
        if unknown:
            raise ValueError(f"unknown settings or faults: {', '.join(unknown)}")
        return replace(self, **values)
