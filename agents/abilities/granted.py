"""The abilities that one agent version was granted, ready to be called by a model."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import structlog

from agents.llm.types import ToolSpec
from agents.schemas import compiled_schema
from agents.values import fault_of
from workers.errors import InvalidInput, WorkError

from .grants import Grant, parse_grant
from .registry import Ability, get_ability

MAX_ABILITIES = 32
# Longer results are cut: they would fill the model's context.
MAX_RESULT_CHARACTERS = 20_000
CALL_SECONDS = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What goes back to the model: a result, or the text of an error from which it can learn."""

    text: str
    is_error: bool = False


class AbilitySet:
    """Granted abilities. Nothing here raises for what a model does; it is told instead."""

    def __init__(self, granted: Sequence[tuple[Ability, Grant]]) -> None:
        """Hold abilities with their grants, already checked."""
        self.specs: tuple[ToolSpec, ...] = tuple(ability.spec for ability, _ in granted)
        self.grants: tuple[str, ...] = tuple(str(grant) for _, grant in granted)
        self._granted = {ability.name: (ability, grant) for ability, grant in granted}

    async def call(self, name: str, arguments_json: str) -> ToolResult:
        """Call the ability `name` with the arguments as the model wrote them, valid or not.

        A plain function runs in a thread, so that it cannot hold up the loop. Only cancellation is raised.
        """
        if name not in self._granted:
            # Arguments may hold what the user wrote: they are never logged.
            log.warning("ability_refused", ability=name[:100])
            granted = ", ".join(self._granted) or "none"
            return _error(f"there is no tool '{name[:100]}'; available: {granted}")
        ability, grant = self._granted[name]
        try:
            arguments = _arguments(ability, arguments_json)
            async with asyncio.timeout(CALL_SECONDS):
                result = await _run(ability, partial(ability.function, **arguments, **grant.settings))
        except (InvalidInput, WorkError) as error:
            return _error(str(error))
        except TimeoutError:
            return _error(f"{name} gave no result within {CALL_SECONDS:g} s")
        except Exception as error:
            # The text of an error that nobody foresaw may hold what the model must not read.
            log.warning("ability_failed", ability=name, error=type(error).__name__)
            return _error(f"{name} failed ({type(error).__name__})")
        return ToolResult(_cut(_as_text(result)))


def resolve(abilities: Sequence[str]) -> AbilitySet:
    """Return the abilities that grants such as `calculator` or `web_search(max_results=5)` name.

    Raises InvalidInput that names the grant: malformed, unknown, doubled, a setting that is wrong.
    """
    if isinstance(abilities, str) or not all(isinstance(text, str) for text in abilities):
        raise InvalidInput('abilities must be a list of texts, e.g. ["calculator", "now"]')
    return _resolve(tuple(abilities))


@lru_cache(maxsize=256)
def _resolve(abilities: tuple[str, ...]) -> AbilitySet:
    if len(abilities) > MAX_ABILITIES:
        raise InvalidInput(f"an agent has at most {MAX_ABILITIES} abilities, not {len(abilities)}")
    granted: dict[str, tuple[Ability, Grant]] = {}
    for text in abilities:
        grant = parse_grant(text)
        ability = get_ability(grant.name)
        ability.check_settings(grant)
        if grant.name in granted:
            raise InvalidInput(f"the ability '{grant.name}' is granted twice")
        granted[grant.name] = ability, grant
    return AbilitySet(list(granted.values()))


async def _run(ability: Ability, call: Callable[[], Any]) -> Any:
    return await (call() if ability.is_async else asyncio.to_thread(call))


def _arguments(ability: Ability, arguments_json: str) -> dict[str, Any]:
    """Return the arguments of a call. Models send nothing at all where a tool takes no arguments."""
    try:
        arguments = json.loads(arguments_json or "{}")
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the arguments of {ability.name} are not JSON: {str(error)[:200]}") from None
    problem = fault_of(arguments) or compiled_schema(ability.spec.parameters).problem(arguments)
    if problem:
        raise InvalidInput(f"the arguments of {ability.name} are wrong at {problem}")
    return dict(arguments)


def _as_text(result: Any) -> str:
    if isinstance(result, str):
        return result
    return json.dumps(result, ensure_ascii=False, separators=(",", ":"), default=str)


def _cut(text: str) -> str:
    if len(text) <= MAX_RESULT_CHARACTERS:
        return text
    return f"{text[:MAX_RESULT_CHARACTERS]}\n[cut: the result has {len(text)} characters]"


def _error(text: str) -> ToolResult:
    return ToolResult(_cut(f"Error: {text}"), is_error=True)
