"""What an agent can do beside answering: tools, one file each, with a registry and grants."""

from .granted import AbilitySet, ToolResult, resolve
from .registry import ability, ability_names, get_ability

__all__ = ["AbilitySet", "ToolResult", "ability", "ability_names", "get_ability", "resolve"]
