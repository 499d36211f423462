"""Input files: CSV and JSONL read as streams, checked whole before anything is created from them."""

from .check import check_input
from .opening import open_input
from .report import InputReport, read_rows
from .types import InputFile, InputFormat, InputRow, RowProblem
from .values import canonical_json

__all__ = [
    "InputFile",
    "InputFormat",
    "InputReport",
    "InputRow",
    "RowProblem",
    "canonical_json",
    "check_input",
    "open_input",
    "read_rows",
]
