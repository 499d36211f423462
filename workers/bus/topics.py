"""What a message is, and where messages of a topic lie in Redis."""

from dataclasses import dataclass

_PREFIX = "arboretum:bus:"
# A stream is kept this long after its last message, in seconds.
KEPT_SECONDS = 600
# Of one topic about so many messages are kept.
KEPT_MESSAGES = 5_000
# The id before the first message of any stream.
BEGINNING = "0-0"

MessageId = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a topic. Ids grow within a topic, also over restarts of Redis: they begin with its clock."""

    id: str
    data: bytes


def key_of(topic: str) -> str:
    """Return the name of a topic's stream and channel."""
    return _PREFIX + topic


def parsed_id(text: str) -> MessageId:
    """Return an id as it compares. Raises ValueError where `text` is none."""
    milliseconds, _, number = text.partition("-")
    return int(milliseconds), int(number)
