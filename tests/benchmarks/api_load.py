"""Calls of an OpenAI-compatible server from a process of its own, and how long they took."""

from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any

from . import api_client
from .api_client import Load
from .rig.helper import Helper


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a load: seconds of each call, of all together, and of the calling process' CPU; when it began."""

    wall: float
    cpu: float
    began: float
    seconds: list[float]

    @property
    def p50(self) -> float:
        """The median of the calls, in seconds."""
        return median(self.seconds)

    @property
    def p95(self) -> float:
        """What 95% of the calls stay below, in seconds."""
        return quantiles(self.seconds, n=20)[-1]


class ApiClient(Helper):
    """`with ApiClient() as client: client.call(Load(...))`; its connections stay open from load to load."""

    def __init__(self) -> None:
        """Start the process."""
        super().__init__(api_client.__name__)

    def call(self, load: Load) -> Answered:
        """Make the calls. Raises RuntimeError where one fails, or is answered wrongly."""
        answer: dict[str, Any] = self.ask(asdict(load))
        return Answered(**answer)
