"""Writes small input files."""

from pathlib import Path

from batches.inputs import InputRow, RowProblem, open_input


def write(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a file byte by byte as given."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def entries(folder: Path, name: str, content: str | bytes) -> list[InputRow | RowProblem]:
    """Return what a file of that content yields."""
    return list(open_input(write(folder, name, content)).entries())


def problems(folder: Path, name: str, content: str | bytes) -> list[str]:
    """Return the problems of a file in words."""
    return [str(entry) for entry in entries(folder, name, content) if isinstance(entry, RowProblem)]
