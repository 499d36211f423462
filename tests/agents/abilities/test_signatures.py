from typing import Any, Literal

import pytest

from agents.abilities.signatures import argument_schema, setting_schema, summary


def search(
    query: str,
    limit: int = 5,
    order: Literal["new", "old"] = "new",
    tags: list[str] | None = None,
    extra: dict[str, Any] | None = None,
    ratio: float = 0.5,
    exact: bool = False,
    *,
    region: str = "eu",
) -> str:
    """Search the archive
    for documents.

    Use it twice at most.

    Args:
        query: What to look for,
            in plain words: any language.
        limit (int): How many.

    Returns:
        query: not an argument.
    """
    return query


def test_arguments_come_from_the_signature_and_the_docstring():
    schema = argument_schema(search)

    assert schema == {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What to look for, in plain words: any language."},
            "limit": {"type": "integer", "description": "How many.", "default": 5},
            "order": {"enum": ["new", "old"], "default": "new"},
            "tags": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}], "default": None},
            "extra": {
                "anyOf": [{"type": "object", "additionalProperties": {}}, {"type": "null"}],
                "default": None,
            },
            "ratio": {"type": "number", "default": 0.5},
            "exact": {"type": "boolean", "default": False},
        },
        "required": ["query"],
        "additionalProperties": False,
    }


def test_keyword_only_parameters_are_settings():
    assert setting_schema(search)["properties"] == {"region": {"type": "string", "default": "eu"}}


def test_the_summary_ends_where_the_sections_begin():
    assert summary(search) == "Search the archive for documents.\n\nUse it twice at most."


def test_what_cannot_be_described_is_refused():
    def starred(*values: str) -> str: ...
    def bare(value) -> str: ...
    def exotic(value: set[int]) -> str: ...
    def numbered(value: dict[int, str]) -> str: ...

    for function in (starred, bare, exotic, numbered):
        with pytest.raises(TypeError):
            argument_schema(function)
