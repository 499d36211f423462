"""Schemas written down in a file, as JSON or YAML."""

from pathlib import Path
from typing import Any

import yaml

from agents.files import parse_json, read_text
from workers.errors import InvalidInput

YAML_ENDINGS = (".yaml", ".yml")


def document(name: str) -> Any:
    """Return what the JSON or YAML file `name` holds. Raises InvalidInput, and OSError with the file's name."""
    text = read_text(name)
    if Path(name).suffix.lower() in YAML_ENDINGS:
        return _parse_yaml(text)
    return parse_json("--schema", text)


class _PlainLoader(yaml.SafeLoader):
    """Reads plain values. Aliases are refused: a few of them can stand for a document without end."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise InvalidInput(f"--schema uses a YAML alias ({_place(event.start_mark)}); write it out")
        return super().compose_node(parent, index)


def _parse_yaml(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        raise InvalidInput(f"--schema is not YAML: {_place(error.problem_mark)}: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidInput(f"--schema is not YAML that can be read: {str(error)[:200]}") from None


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "unknown place"
