"""Schemas written down in a file, as JSON or YAML."""

from pathlib import Path
from typing import Any

from agents.documents.yaml_text import read_documents
from agents.files import parse_json, read_text
from workers.errors import InvalidInput

YAML_ENDINGS = (".yaml", ".yml")
ANSWER_ENDINGS = (".csv", ".jsonl")


def document(name: str) -> Any:
    """Return what the JSON or YAML file `name` holds. Raises InvalidInput, and OSError with the file's name."""
    text = read_text(name)
    if Path(name).suffix.lower() not in YAML_ENDINGS:
        try:
            return parse_json("--schema", text)
        except InvalidInput as error:
            if Path(name).suffix.lower() not in ANSWER_ENDINGS:
                raise
            raise InvalidInput(f"{error}. If {name} holds answers: examples:{name}#COLUMN") from None
    try:
        documents = read_documents(text)
    except InvalidInput as error:
        raise InvalidInput(f"--schema: {error}") from None
    if len(documents) != 1:
        raise InvalidInput(f"--schema: {name} holds {len(documents)} YAML documents; it must hold one")
    return documents[0]
