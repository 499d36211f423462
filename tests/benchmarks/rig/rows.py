"""Rows of the input files: what they say, and what they are called. Knows nothing of Django."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

FILLER = " The parcel has not arrived, the tracking page has said the same for nine days, and nobody answers the phone."


def row_text(index: int) -> str:
    """Return the text of a row, about 120 characters, like that of no other row. Echoed, it tells its row."""
    return f"Ticket {index}:{FILLER}"


def row_id(index: int) -> str:
    """Return the custom_id of a row."""
    return f"ticket-{index}"


def write_csv(path: Path, rows: int) -> Path:
    """Write a CSV file of `rows` rows with custom_id and text; return its path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("custom_id", "text"))
        writer.writerows((row_id(index), row_text(index)) for index in range(rows))
    return path


def chat_line(index: int, model: str, text: str) -> bytes:
    """Return the line of a row in a file for `/v1/batches`, which asks `model` for an answer to `text`."""
    messages = [{"role": "user", "content": text}]
    line = {
        "custom_id": row_id(index),
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": model, "messages": messages},
    }
    return json.dumps(line).encode() + b"\n"


def write_chats(path: Path, rows: int, model: str, text: Callable[[int], str] = row_text) -> Path:
    """Write a file of `rows` such lines; `text` makes those of the rows. Return its path."""
    with path.open("wb") as file:
        file.writelines(chat_line(index, model, text(index)) for index in range(rows))
    return path
