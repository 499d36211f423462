"""The simulated client: waits as planned, then answers or fails."""

import asyncio
import itertools
import math
import re
from collections.abc import AsyncGenerator
from typing import Any

import orjson

from agents.llm.types import Chunk, Completion, CompletionRequest, Embedding, EmbeddingRequest, TextDelta
from workers.errors import ErrorCode, InvalidInput, WorkError

from .embeddings import as_call, embed
from .plan import Draws, Plan, draw_error, make_plan
from .settings import Settings

_PIECE = re.compile(r"\s*\S+|\s+\Z")
# A stream wakes up this often at the most, so that thousands at once stay cheap.
_WAKE_UPS_PER_SECOND = 50
_KEPT_SETTINGS = 256


class SimulatedProvider:
    """One simulated client. The number of its calls so far takes part in drawing errors (see the package)."""

    def __init__(self) -> None:
        """Start counting calls at 0."""
        self._calls = itertools.count()
        self._settings: dict[bytes, Settings] = {}

    async def complete(self, request: CompletionRequest) -> Completion:
        """Return the planned answer after the planned time. Raises the WorkError that was drawn."""
        plan = await self._begin(request)
        await asyncio.sleep(plan.duration - plan.first_token)
        return plan.completion

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[Chunk, None]:
        """Yield the same answer piece by piece, spread over the same time, then the whole."""
        plan = await self._begin(request)
        pieces = _pieces(plan)
        pause = (plan.duration - plan.first_token) / max(len(pieces), 1)
        for piece in pieces:
            yield TextDelta(piece)
            await asyncio.sleep(pause)
        yield plan.completion

    async def embed(self, request: EmbeddingRequest) -> Embedding:
        """Return vectors of length 1 after the planned time. Raises the WorkError that was drawn.

        They follow from the seed, the model and each text alone.
        """
        settings = self._parsed(request.parameters.get("simulated"))
        number = next(self._calls)
        call = as_call(request)
        draws = Draws.of(call, settings.seed)
        error = draw_error(settings, draws, number)
        await asyncio.sleep(settings.latency.at(draws.latency))
        if error is not None:
            raise error
        return embed(request, settings.seed, number)

    async def list_models(self) -> list[str]:
        """Return the names that stand for a small and a large model; any other name works as well."""
        from .kind import MODELS

        return list(MODELS)

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""

    async def _begin(self, request: CompletionRequest) -> Plan:
        """Return the plan when its first token is due. Raises the WorkError that was drawn, at that time."""
        settings = self._parsed(request.parameters.get("simulated"))
        call = next(self._calls)
        draws = Draws.of(request, settings.seed)
        plan = make_plan(request, settings, draws, call)
        error = draw_error(settings, draws, call)
        await asyncio.sleep(plan.first_token)
        if error is not None:
            raise error
        return plan

    def _parsed(self, values: Any) -> Settings:
        key = orjson.dumps(values)
        settings = self._settings.get(key)
        if settings is None:
            if len(self._settings) >= _KEPT_SETTINGS:
                self._settings.clear()
            settings = self._settings[key] = _settings(values)
        return settings


def _settings(values: Any) -> Settings:
    try:
        return Settings.parse({} if values is None else values)
    except InvalidInput as error:
        raise WorkError(ErrorCode.INVALID_REQUEST, str(error)) from None


def _pieces(plan: Plan) -> list[str]:
    """Return the answer's text in pieces of whole words, no more than the wake-ups that its time allows."""
    words = _PIECE.findall(plan.completion.text)
    seconds = plan.duration - plan.first_token
    most = math.ceil(seconds * _WAKE_UPS_PER_SECOND) if seconds > 0 else len(words)
    size = math.ceil(len(words) / max(most, 1)) or 1
    return ["".join(words[at : at + size]) for at in range(0, len(words), size)]
