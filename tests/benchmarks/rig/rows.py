"""Rows of the input files: what they say, and what they are called. Knows nothing of Django."""

import csv
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
