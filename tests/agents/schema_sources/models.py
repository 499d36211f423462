"""Models that the tests name as sources of schemas."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Kind(StrEnum):
    """What a ticket is about."""

    BILLING = "billing"
    BUG = "bug"


class Customer(BaseModel):
    """Nested."""

    name: str
    order: str | None


class Ticket(BaseModel):
    """A sorted ticket."""

    kind: Kind
    urgency: int = Field(ge=1, le=5)
    customers: list[Customer]
    mood: Literal["good", "bad"]

    class Inner(BaseModel):
        """Named with a dot."""

        done: bool


class Open(BaseModel):
    """Allows more than it lists."""

    model_config = ConfigDict(extra="allow")
    properties: dict[str, int]
    default: Any = {"properties": {"a": 1}}


class Unwritable(BaseModel):
    """Holds what JSON has no type for."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    what: object.__class__


NOT_A_CLASS = {"type": "object"}
