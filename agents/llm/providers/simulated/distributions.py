"""Distributions that turn an even draw between 0 and 1 into a latency or a length."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from agents.llm.parameters import Rule, check_fields, number, refuse
from workers.errors import InvalidInput

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution by its quantile function, never above `ceiling`."""

    quantile: Callable[[float], float]
    ceiling: float = math.inf

    def at(self, draw: float) -> float:
        """Return the value below which the share `draw` (above 0, below 1) of all values lies."""
        return min(self.quantile(draw), self.ceiling)


def fixed(value: float) -> Distribution:
    """Return the distribution that is always `value`."""
    return Distribution(lambda draw: value)


def uniform(low: float, high: float) -> Distribution:
    """Return the even distribution from `low` to `high`."""
    return Distribution(lambda draw: low + (high - low) * draw)


def lognormal(median: float, sigma: float) -> Distribution:
    """Return the distribution whose logarithm is normal; `sigma` is the spread of that logarithm."""
    return Distribution(lambda draw: median * math.exp(sigma * _NORMAL.inv_cdf(draw)))


def exponential(mean: float) -> Distribution:
    """Return the exponential distribution of the given mean."""
    return Distribution(lambda draw: -mean * math.log1p(-draw))


_MAKERS: Mapping[str, tuple[Callable[..., Distribution], tuple[str, ...]]] = {
    "fixed": (fixed, ("value",)),
    "uniform": (uniform, ("low", "high")),
    "lognormal": (lognormal, ("median", "sigma")),
    "exponential": (exponential, ("mean",)),
}


def parse_distribution(field: str, value: Any, high: float) -> Distribution:
    """Return the distribution that `value` describes: a number, or an object with `distribution` and its settings.

    No value of it is above `high`. Raises InvalidInput naming `field`.
    """
    if not isinstance(value, dict):
        number(0, high)(field, value)
        return fixed(value)
    name = value.get("distribution")
    if not isinstance(name, str) or name not in _MAKERS:
        raise refuse(f"{field}.distribution", f"one of: {', '.join(_MAKERS)}", name)
    make, settings = _MAKERS[name]
    rules: dict[str, Rule] = {"distribution": lambda field, value: None, "max": number(0, high)}
    rules |= {setting: number(0, 10 if setting == "sigma" else high) for setting in settings}
    check_fields(value, rules, field)
    missing = [setting for setting in settings if setting not in value]
    if missing:
        raise InvalidInput(f"{field}.{missing[0]} is missing; {name} needs: {', '.join(settings)}")
    made = make(**{setting: value[setting] for setting in settings})
    return Distribution(made.quantile, value.get("max", high))
