"""The output schema of a Pydantic model."""

import importlib
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from agents.schema_keywords import DATA_KEYWORDS
from workers.errors import InvalidInput

# Their values map names to schemas.
_MAPS = ("properties", "$defs", "definitions", "dependentSchemas")


def imported_model(name: str) -> type:
    """Return the class that `package.module:Model` names, importing the module; the current folder is searched last.

    Raises InvalidInput where there is no such module or class, or the module cannot be imported.
    """
    module_name, _, path = name.partition(":")
    found: Any = _imported(module_name)
    for part in path.split("."):
        if not hasattr(found, part):
            raise InvalidInput(f"The module {module_name} has no {path}.")
        found = getattr(found, part)
    if not isinstance(found, type):
        raise InvalidInput(f"{name} is no class, so no Pydantic model.")
    return found


def schema_of_model(model: type) -> dict[str, Any]:
    """Return the JSON schema of `model`. Its objects allow no fields beside their own, unless the model says so.

    Providers enforce only schemas of such objects:
    https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    Raises InvalidInput where `model` is no Pydantic model or cannot be written as a JSON schema.
    """
    if not issubclass(model, BaseModel):
        raise InvalidInput(f"{model.__module__}:{model.__qualname__} is no Pydantic model (a subclass of BaseModel).")
    try:
        schema = model.model_json_schema()
    except PydanticUserError as error:
        reason = str(error).partition("\n")[0]
        raise InvalidInput(f"{model.__module__}:{model.__qualname__} has no JSON schema: {reason}") from None
    _close(schema)
    return schema


def _imported(name: str) -> Any:
    folder = str(Path.cwd())
    is_known = folder in sys.path or "" in sys.path
    if not is_known:
        sys.path.append(folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise InvalidInput(f"There is no module {name}; a model is named package.module:Model.") from None
        raise InvalidInput(f"The module {name} needs a module that is not there: {error.name}.") from None
    except (Exception, SystemExit) as error:
        raise InvalidInput(f"The module {name} cannot be imported: {type(error).__name__}: {error}") from None
    finally:
        if not is_known:
            sys.path.remove(folder)


def _close(schema: Any) -> None:
    """Set `additionalProperties` to false in every object that lists its fields and says nothing about others."""
    if isinstance(schema, list):
        for item in schema:
            _close(item)
    if not isinstance(schema, dict):
        return
    for name, value in schema.items():
        if name in _MAPS and isinstance(value, dict):
            _close(list(value.values()))
        elif name not in DATA_KEYWORDS:
            _close(value)
    if "properties" in schema or schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
