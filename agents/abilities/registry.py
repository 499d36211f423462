"""The registry of abilities: functions that a model may call, each in a file of its own."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any, TypeVar

from agents.llm.types import ToolSpec
from agents.schemas import compiled_schema
from workers.errors import InvalidInput

from .grants import Grant
from .signatures import argument_schema, setting_schema, summary

F = TypeVar("F", bound=Callable[..., Any])
# Imported when the first ability is asked for. A further file is added here.
_MODULES = ("agents.abilities.calculator", "agents.abilities.now")
_abilities: dict[str, "Ability"] = {}


@dataclass(frozen=True, slots=True)
class Ability:
    """A function as a tool: what the model sees of it, and what whoever grants it may set."""

    spec: ToolSpec
    function: Callable[..., Any]
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name by which it is granted and called."""
        return self.spec.name

    @property
    def is_async(self) -> bool:
        """Whether the function is a coroutine function."""
        return inspect.iscoroutinefunction(self.function)

    def check_settings(self, grant: Grant) -> None:
        """Raise InvalidInput naming the setting of `grant` that is unknown or wrong, and what is allowed."""
        allowed = ", ".join(self.settings["properties"]) or "none"
        for name in grant.settings:
            if name not in self.settings["properties"]:
                raise InvalidInput(f"ability {self.name}: '{name}' is not a setting of it; allowed: {allowed}")
        problem = compiled_schema(self.settings).problem(grant.settings)
        if problem:
            raise InvalidInput(f"ability {self.name}: setting {problem.removeprefix('$.')}")


def ability(function: F) -> F:
    """Register `function`, plain or async, as the ability of its name; the function itself stays as it is.

    Positional parameters are the tool's arguments, keyword-only ones its settings (see agents.abilities.signatures);
    the docstring is what the model reads. What it returns goes to the model: text as it is, anything else as JSON.
    It raises InvalidInput with a message for the model. Raises TypeError for a signature that cannot be described.
    """
    found = _described(function)
    if found.name in _abilities:
        raise TypeError(f"there already is an ability '{found.name}'")
    _abilities[found.name] = found
    return function


def ability_names() -> tuple[str, ...]:
    """Return the names of all abilities, sorted."""
    return tuple(sorted(_loaded()))


def get_ability(name: str) -> Ability:
    """Return the ability called `name`. Raises InvalidInput naming the ones there are."""
    abilities = _loaded()
    if name not in abilities:
        close = get_close_matches(name, abilities, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise InvalidInput(f"there is no ability '{name}'.{hint} Available: {', '.join(sorted(abilities))}")
    return abilities[name]


def _described(function: Callable[..., Any]) -> Ability:
    spec = ToolSpec(function.__name__, summary(function), argument_schema(function))
    if not spec.description:
        raise TypeError(f"{spec.name} needs a docstring: it is what the model reads")
    return Ability(spec, function, setting_schema(function))


def _loaded() -> dict[str, Ability]:
    for module in _MODULES:
        import_module(module)
    return _abilities
