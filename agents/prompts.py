"""Prompt templates: names are substituted, and nothing else.

A placeholder is `{{`, a name, `}}`, all on one line; spaces and tabs around the name do not count. A name is made of
letters and digits of any script (with their accents), `_`, `-` and single inner spaces, so that a column headed
`Order ID` works. Everything else stays as it is written: `{{ x.__class__ }}`, `{0}`, `{% if %}`, `{{ }}`, lone braces.
"""

import json
import re
import unicodedata
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from workers.errors import InvalidInput

# Neither braces nor ends of lines in between, so one pass over the text is enough whatever it holds.
_CANDIDATE = re.compile(r"\{\{([^{}\r\n]*)\}\}")
_SHOWN_NAMES = 20
# What looks like a placeholder that lacks its last brace.
_NEARLY = re.compile(r"\{\{[ \t]*([\w -]{1,60})\}(?!\})")


class Template:
    """A prompt template, compiled once and rendered many times."""

    __slots__ = ("_literals", "_order", "_unusable", "names", "text")

    def __init__(self, text: str) -> None:
        """Compile `text`. Any text is a valid template."""
        self.text = text
        # The name of each placeholder, with the line (from 1) on which it stands first.
        self.names: dict[str, int] = {}
        self._unusable: dict[str, int] = {}
        self._order: list[str] = []
        # One more than there are placeholders: literal, value, literal, value, ..., literal.
        self._literals: list[str] = []
        self._compile(text)

    def render(self, columns: Mapping[str, Any]) -> str:
        """Return the text with every placeholder replaced by the value of its column.

        One pass: what a value holds is never looked at again. Text stands as it is, None as nothing, anything else as
        compact JSON. Raises InvalidInput that names a column that is missing.
        """
        values = [""] * (2 * len(self._order) + 1)
        values[::2] = self._literals
        try:
            values[1::2] = [
                value if type(value := columns[name]) is str else _as_text(value, name) for name in self._order
            ]
        except KeyError:
            self.check(columns)
            raise
        return "".join(values)

    def check(self, available: Collection[str]) -> None:
        """Raise InvalidInput naming the first line with a placeholder that is none of the `available` columns.

        A column that is written between braces but whose name no placeholder can have is an error too: it would stay
        literal, which its author did not mean.
        """
        for name, line in self.names.items():
            if name not in available:
                raise InvalidInput(f"prompt, line {line}: {_unknown(name, available)}")
        for name, line in self._unusable.items():
            if name in available:
                raise InvalidInput(
                    f"prompt, line {line}: the column '{name}' cannot be used in a prompt: a name is letters, digits, "
                    "'_', '-' and single spaces. Rename the column."
                )

    def _compile(self, text: str) -> None:
        line, counted, start = 1, 0, 0
        for match in _CANDIDATE.finditer(text):
            line += text.count("\n", counted, match.start())
            counted = match.start()
            name = match[1].strip()
            if is_name(name):
                self.names.setdefault(name, line)
                self._order.append(name)
                self._literals.append(text[start : match.start()])
                start = match.end()
            elif name:
                self._unusable.setdefault(name, line)
        self._literals.append(text[start:])


def nearly_placeholders(text: str) -> list[str]:
    """Return the names in `text` that stand between braces of which the last is missing: they are sent as they are."""
    return [match[1].strip() for match in _NEARLY.finditer(text)]


@lru_cache(maxsize=512)
def template(text: str) -> Template:
    """Return the compiled template of `text`, from a cache: a batch renders the same one for every row."""
    return Template(text)


def is_name(text: str) -> bool:
    """Tell whether `text` can stand for a column in a prompt."""
    # Categories: L letters, M marks (accents, and vowels of Indic scripts), N numbers.
    return bool(text) and "  " not in text and all(c in "_- " or unicodedata.category(c)[0] in "LMN" for c in text)


def _as_text(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise InvalidInput(f"column '{name}': a {type(value).__name__} that is not JSON cannot be shown") from None


def _unknown(name: str, available: Collection[str]) -> str:
    if not available:
        return f"there is no column '{name}': the input has no columns"
    close = get_close_matches(name, available, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    names = sorted(available)
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return f"there is no column '{name}'.{hint} Available: {', '.join(names[:_SHOWN_NAMES])}{more}"
