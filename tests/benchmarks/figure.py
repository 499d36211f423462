"""One line of the table: what was measured, and what is aimed at."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value as text with its unit; `aim` is empty where the project has set none."""

    name: str
    value: str
    aim: str = ""


def spread(values: Sequence[float], unit: str, digits: int = 2) -> str:
    """Return the median of repeats, and the lowest and highest where there are several."""
    middle = f"{median(values):,.{digits}f} {unit}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"
