"""What a worker tells of how a single run ended."""

from datetime import UTC, datetime
from decimal import Decimal

from agents.llm.types import Usage
from batches.execution.claims import ClaimedRun
from batches.execution.live import tell_outcome
from batches.execution.outcomes import Outcome, Spent
from batches.models import AttemptOutcome
from batches.news import finished_run, read_news
from batches.states import RunState
from workers.bus.publisher import Publisher


class Told(Publisher):
    """Keeps what is told."""

    def tell(self, topic: str, data: bytes) -> None:
        """Keep a message."""
        self.message = data


def test_all_tokens_of_all_attempts_are_told() -> None:
    earlier = {"cost": Decimal("0.5"), "input_tokens": 30, "output_tokens": 20, "cached_tokens": 8}
    run = ClaimedRun(1, None, 2, 1, 1, 1, "chat", "{}", 1, reasoning_tokens=5, **earlier)
    spent = Spent(datetime.now(UTC), "acme/m", usage=Usage(3, 2, 1, 1), cost=Decimal("0.25"))
    told = Told()
    tell_outcome(told, Outcome(run, "w", spent, AttemptOutcome.SUCCEEDED, RunState.SUCCEEDED, 2, output="Hi"))
    ended = finished_run(read_news(told.message))
    assert ended is not None
    assert (ended.input_tokens, ended.output_tokens, ended.cost) == (33, 22, Decimal("0.75"))
    assert (ended.cached_tokens, ended.reasoning_tokens) == (9, 6)
