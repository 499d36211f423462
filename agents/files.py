"""Files that people name on the command line, read whole and within bounds."""

import json
from pathlib import Path
from typing import Any

from workers.errors import InvalidInput

MAX_FILE_BYTES = 8 * 1024 * 1024


def read_text(name: str, most: int = MAX_FILE_BYTES) -> str:
    """Return the text of the file `name`, of at most `most` bytes. Raises InvalidInput, and OSError with its name."""
    path = Path(name).expanduser()
    if path.stat().st_size > most:
        raise InvalidInput(f"{name} is larger than {most} bytes")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} is not UTF-8: byte {error.start}") from None


def parse_json(option: str, text: str) -> Any:
    """Return the JSON in `text`. Raises InvalidInput that names the option and the place."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidInput(f"{option} is not JSON: {place}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{option} is not JSON that can be read: {error}") from None
