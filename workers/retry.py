"""How long to wait before a transient failure is tried again."""

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from .errors import InvalidInput


class RetryStrategy(StrEnum):
    """How the delay grows with the number of tries."""

    EXPONENTIAL = "exponential"
    LINEAR = "linear"
    FIXED = "fixed"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When and how often a transient failure is tried again.

    `max_tries` counts the first try; delays are in seconds. With `provider` the wait is what the provider told
    (Retry-After), else `base_seconds`. Every strategy waits at least what the provider told.
    """

    strategy: RetryStrategy = RetryStrategy.EXPONENTIAL
    max_tries: int = 5
    base_seconds: float = 1.0
    max_seconds: float = 60.0

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "RetryPolicy":
        """Return the policy that `values` describe; missing keys take their defaults. Raises InvalidInput."""
        unknown = sorted(set(values) - set(cls.__slots__))
        if unknown:
            raise InvalidInput(f"retry.{unknown[0]} is not a setting; allowed: {', '.join(cls.__slots__)}")
        try:
            strategy = RetryStrategy(values.get("strategy", RetryStrategy.EXPONENTIAL))
        except ValueError:
            raise InvalidInput(f"retry.strategy must be one of: {', '.join(RetryStrategy)}") from None
        policy = cls(
            strategy,
            _number(values, "max_tries", cls().max_tries, 1, 100, int),
            _number(values, "base_seconds", cls().base_seconds, 0, 3600, float),
            _number(values, "max_seconds", cls().max_seconds, 0, 86_400, float),
        )
        if policy.max_seconds < policy.base_seconds:
            raise InvalidInput("retry.max_seconds must be at least retry.base_seconds")
        return policy

    def as_dict(self) -> dict[str, Any]:
        """Return the policy as JSON-ready values that `parse` reads back."""
        return asdict(self)

    def delay(self, tries: int, retry_after: float | None = None) -> float:
        """Return the seconds to wait after failed try number `tries` (from 1).

        Exponential delays are drawn evenly from between half and all of `base * 2^(tries - 1)`, so that rows that
        failed together do not come back together and none comes back at once.
        """
        told = retry_after or 0.0
        match self.strategy:
            case RetryStrategy.EXPONENTIAL:
                ceiling = min(self.max_seconds, self.base_seconds * 2.0 ** min(tries - 1, 30))
                own = ceiling * random.uniform(0.5, 1.0)
            case RetryStrategy.LINEAR:
                own = min(self.max_seconds, self.base_seconds * tries)
            case RetryStrategy.FIXED:
                own = self.base_seconds
            case RetryStrategy.PROVIDER:
                own = 0.0 if told else self.base_seconds
        return max(told, own)


def _number(values: Mapping[str, Any], name: str, default: float, low: float, high: float, kind: type) -> Any:
    value = values.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise InvalidInput(f"retry.{name} must be a number from {low} to {high}, not {value!r}")
    if kind is int and value != int(value):
        raise InvalidInput(f"retry.{name} must be a whole number, not {value!r}")
    return kind(value)
