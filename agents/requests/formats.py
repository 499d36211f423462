"""The form of an answer that a request asks for.

https://platform.openai.com/docs/guides/structured-outputs
"""

from typing import Any

from agents.schemas import check_schema
from workers.errors import InvalidInput

_ANY_OBJECT = {"type": "object"}


def read_format(value: Any) -> dict[str, Any] | None:
    """Return the JSON schema that `response_format` asks for, any object for `json_object`; None for text.

    Raises InvalidInput that names what is wrong with it.
    """
    match value:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return dict(_ANY_OBJECT)
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            check_schema(schema, "response_format.json_schema.schema")
            return dict(schema)
        case {"type": "json_schema"}:
            raise InvalidInput("response_format.json_schema must be an object with a name and a schema")
    raise InvalidInput("response_format.type must be one of: text, json_object, json_schema")
