"""The tokens of the first call of each row, as its prompt tells them."""

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from agents.llm.tokens import estimate_message_tokens
from agents.llm.types import Price
from agents.models import AgentVersion
from agents.requests.asking import asked
from agents.services import spec_of
from batches.execution.agents_cache import fixed_tokens
from batches.models import Batch, Run
from batches.models.batch import InputKind
from workers.errors import InvalidInput

# Rows of one query.
PAGE_ROWS = 5_000
# Who waits for many is told after so many more.
TOLD_ROWS = 50_000


class PromptCounter:
    """Counts about how many input tokens the first call of a row takes: instructions, prompt, tools, output schema."""

    def __init__(self, version: AgentVersion) -> None:
        """Count for `version`, whose agent and credential are read."""
        self._spec = spec_of(version, Price())
        self._fixed = fixed_tokens(self._spec)

    def count(self, input: Any, kind: str = InputKind.COLUMNS) -> int:
        """Return the tokens of a row's columns or chat body; 0 where no call can be made of it."""
        try:
            _, messages = asked(self._spec, kind, input)
        except InvalidInput:
            return 0
        return self._fixed + sum(map(estimate_message_tokens, messages))


def rows_of(batch: Batch, *fields: str) -> Iterator[tuple[Any, ...]]:
    """Yield `fields` of each row of `batch` in the order of the input, page by page, so that memory stays flat."""
    first, _ = batch.run_ids
    for start in range(first, first + batch.total, PAGE_ROWS):
        page = Run.objects.filter(id__gte=start, id__lt=min(start + PAGE_ROWS, first + batch.total))
        yield from page.order_by("id").values_list(*fields)


def prompt_sizes(batch: Batch) -> Sequence[int]:
    """Return the tokens of the prompt of each row of `batch`, four bytes a row."""
    counter = PromptCounter(batch.version)
    rows = rows_of(batch, "input_kind", "input_json")
    return array("I", (counter.count(orjson.loads(text), kind) for kind, text in rows))
