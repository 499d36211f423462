"""How the documentation tells of bodies that are a form with a file, or JSON."""

from typing import Any

from pydantic import BaseModel

from .uploads import MULTIPART

_FILE = {"type": "string", "format": "binary", "description": "CSV with a header row, or JSONL; UTF-8."}


def form_or_json(form: type[BaseModel], body: type[BaseModel]) -> dict[str, Any]:
    """Return the `requestBody` of an operation that takes either."""
    schema = _flat(form)
    schema["properties"] = {**schema["properties"], "file": _FILE}
    schema["required"] = [*schema.get("required", ()), "file"]
    content = {MULTIPART: {"schema": schema}, "application/json": {"schema": _flat(body)}}
    return {"requestBody": {"required": True, "content": content}}


def _flat(kind: type[BaseModel]) -> dict[str, Any]:
    schema = kind.model_json_schema()
    assert "$defs" not in schema, f"{kind.__name__} refers to other schemas"
    return schema
