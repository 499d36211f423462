"""YAML as documents of agents use it: JSON's values alone, texts of several lines as literal blocks, nothing hostile.

Reading follows the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): `no` and `2026-11-22` are
texts. Writing quotes what a reader of YAML 1.1 would take for something else.
"""

import re
from typing import Any, ClassVar

import yaml

from workers.errors import InvalidInput

MAX_BYTES = 8 * 2**20
# Values of a file, with what an alias repeats counted each time. An agent has about forty.
MAX_VALUES = 100_000
MAX_DEPTH = 100
_WIDTH = 110
# Marks that reorder what a terminal shows (CVE-2021-42574).
_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")
# What only escapes keep (PyYAML reads a plain U+0085 back as a line feed), and white space that people overlook.
_LOST = re.compile("[\x85\u2028\u2029\ufeff\r\u202a-\u202e\u2066-\u2069]")
_HALVES = re.compile("[\ud800-\udfff]")
_NO_BLOCK = re.compile("\t|\\A\\s|[ ]$", re.MULTILINE)
_TAG = "tag:yaml.org,2002:"
_CORE = {
    "null": (r"(?:~|null|Null|NULL|)\Z", ["~", "n", "N", ""]),
    "bool": (r"(?:true|True|TRUE|false|False|FALSE)\Z", list("tTfF")),
    "int": (r"[-+]?[0-9]+\Z", list("-+0123456789")),
    "float": (r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z", list("-+0123456789.")),
}


class _Loader(yaml.SafeLoader):
    """Reads JSON's values. What is no such value, or too much, is refused while it is read."""

    yaml_implicit_resolvers: dict[str, Any] = {}
    yaml_constructors: ClassVar[dict[Any, Any]] = {None: yaml.SafeLoader.construct_undefined}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values = 0
        self._weights: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Read one value with all in it, and count them."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        before = self._values
        node = super().compose_node(parent, index)
        # An alias of what it stands in itself has no weight yet: it would have no end.
        self._values += self._weights.get(id(node), MAX_VALUES) if isinstance(event, yaml.AliasEvent) else 1
        self._weights[id(node)] = self._values - before
        if self._values > MAX_VALUES:
            raise yaml.MarkedYAMLError(problem=f"more than {MAX_VALUES:,} values", problem_mark=event.start_mark)
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping; a key that is no text, or stands there twice, is refused."""
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str) or key in mapping:
                problem = "this name stands there twice" if isinstance(key, str) else "a name must be a text"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            mapping[key] = self.construct_object(value_node, deep=deep)
        return mapping


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as literal blocks, and nothing twice as an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        """Whether `data` is written out again where it comes again: always."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent the items of lists, too."""
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if "\n" in text or _LOST.search(text):
        style = '"' if _LOST.search(text) or _NO_BLOCK.search(text) else "|"
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)


_Dumper.add_representer(str, _text)
for _name, (_pattern, _first) in _CORE.items():
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(_pattern), _first)
    # Beside YAML 1.1's own, which know no `1e3`.
    _Dumper.add_implicit_resolver(f"{_TAG}{_name}", re.compile(_pattern), _first)


def _whole(text: str, node: yaml.Node) -> str:
    """Return `text`; half of a character, as `"\\ud800"` is, can be stored nowhere."""
    if _HALVES.search(text):
        raise yaml.MarkedYAMLError(problem="half of a character", problem_mark=node.start_mark)
    return text


_KINDS: dict[str, Any] = {
    "null": lambda loader, node: None,
    "bool": lambda loader, node: loader.construct_scalar(node).lower() == "true",
    "int": lambda loader, node: int(loader.construct_scalar(node)),
    "float": lambda loader, node: float(loader.construct_scalar(node)),
    "str": lambda loader, node: _whole(loader.construct_yaml_str(node), node),
    "seq": _Loader.construct_yaml_seq,
    "map": _Loader.construct_yaml_map,
}
for _name, _construct in _KINDS.items():
    _Loader.add_constructor(f"{_TAG}{_name}", _construct)


def to_yaml(value: Any) -> str:
    """Return a value of JSON as YAML, its names in their order; nothing in it drives or confuses a terminal."""
    text = str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH))
    # These stand within double quotes alone, where PyYAML leaves them as they are.
    return _REORDERING.sub(lambda match: f"\\u{ord(match[0]):04X}", text)


def read_documents(text: str) -> list[Any]:
    """Return the documents of a YAML text; empty ones are left out.

    Raises InvalidInput that names the line where it is no YAML of JSON's values (texts, numbers, true, false, null,
    lists, objects), or more than an agent can be: MAX_BYTES, MAX_VALUES, MAX_DEPTH.
    """
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        raise InvalidInput(f"The file is larger than {MAX_BYTES:,} bytes.")
    try:
        documents = [document for document in yaml.load_all(text, _Loader) if document is not None]
    except yaml.YAMLError as error:
        raise InvalidInput(f"The file is not YAML that can be read: {_told(error)}") from None
    except ValueError as error:
        raise InvalidInput(f"The file holds a value that can't be read: {error}") from None
    except RecursionError:
        raise InvalidInput(f"The file is nested deeper than {MAX_DEPTH} levels.") from None
    if any(_depth(document) > MAX_DEPTH for document in documents):
        raise InvalidInput(f"The file is nested deeper than {MAX_DEPTH} levels.")
    return documents


def _told(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None:
        return str(error).splitlines()[0]
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"


def _depth(document: Any) -> int:
    """Return how deep a document is nested, or a number above MAX_DEPTH; nothing here recurses."""
    level, depth = [document], 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        nested = [value for value in level if isinstance(value, (dict, list))]
        level = [item for value in nested for item in (value.values() if isinstance(value, dict) else value)]
    return depth
