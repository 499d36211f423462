"""Where an output schema comes from: a file, a Pydantic model, or examples of answers.

For people at a command line or in Python: a source may name a module, which is then imported, and files of this
machine. It is never taken from a web request.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.schemas import check_schema
from workers.errors import InvalidInput

from .documents import document
from .examples import schema_of_examples
from .rows import example_values

EXAMPLES = "examples:"
_MODEL = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")

Source = str | Path | type | Mapping[str, Any] | Sequence[Any]


def schema_of(source: Source) -> dict[str, Any]:
    """Return the output schema that `source` gives, checked.

    `source` names a JSON or YAML file (`.yaml`, `.yml`) that holds a schema; a Pydantic model, `package.module:Model`;
    or examples of answers to infer it from, `examples:FILE` or `examples:FILE#COLUMN`. In Python it may also be a
    Pydantic class, a list of examples, or the schema itself. Raises InvalidInput, and OSError for a file that cannot be
    read.
    """
    schema = _schema_of(source)
    check_schema(schema)
    return dict(schema)


def _schema_of(source: Source) -> Any:
    if isinstance(source, Mapping):
        return dict(source)
    if isinstance(source, type):
        from .pydantic_models import schema_of_model

        return schema_of_model(source)
    if not isinstance(source, (str, Path)):
        return schema_of_examples(source)
    name = str(source)
    if name.startswith(EXAMPLES):
        return schema_of_examples(example_values(name.removeprefix(EXAMPLES)))
    if _MODEL.fullmatch(name) and not Path(name).exists():
        from .pydantic_models import imported_model, schema_of_model

        return schema_of_model(imported_model(name))
    if not name.strip():
        raise InvalidInput("A schema comes from a file, package.module:Model, or examples:FILE; none is named.")
    return document(name)
