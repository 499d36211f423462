"""What a story is made of: moments on a timeline, and messages of a conversation."""

from dataclasses import dataclass, field
from enum import StrEnum

from agents.llm.types import Role, ToolCall, Usage


class MomentKind(StrEnum):
    """What a moment tells of."""

    WAITING = "waiting"
    ATTEMPT = "attempt"
    CALL = "call"
    TOOL = "tool"
    REJECTED = "rejected"
    FAILED_OVER = "failed_over"


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that took time in a run, or happened at a time.

    `start` is in seconds from the run's creation, `seconds` how long it took (None: a point in time, or not known).
    `name` is the model (credential/model) of an attempt, a call or a failure, or the tool; `detail` says how it ended.
    `calls` is how many model calls it stands for.
    """

    kind: MomentKind
    attempt: int
    start: float
    seconds: float | None = None
    name: str = ""
    detail: str = ""
    step: int = 0
    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    first_token: float | None = None
    is_error: bool = False
    is_cached: bool = False


@dataclass(frozen=True, slots=True)
class Attachment:
    """An image or a file of a message: its name or address without its bytes, and its size in characters."""

    label: str
    characters: int


@dataclass(frozen=True, slots=True)
class Said:
    """A message as the model saw it, or said it.

    `text` is None where it was not kept, and cut where `is_clipped`. `step` is the call that it came from or after; 0
    for what a run begins with.
    """

    role: Role
    text: str | None
    step: int = 0
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str = ""
    attachments: tuple[Attachment, ...] = ()
    is_clipped: bool = False
