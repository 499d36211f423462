"""Results as a data frame of pandas or polars, which are extras: pip install 'arboretum[analysis]'.

Rows come in pieces, and each piece becomes columns of Arrow (or of the library, without pyarrow) before the next
is read, so that what lies in memory beside the frame is one piece.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import orjson

from batches.models import Batch
from batches.tables import runs
from workers.errors import InvalidInput

from .flat import WHOLE_NUMBERS, Layout, flat_rows, output_schema
from .selection import ROW_WIDTH, Selection
from .versions import VersionLabels

LIBRARIES = ("pandas", "polars")
TIMES = (runs.c.created_at, runs.c.started_at, runs.c.finished_at)

Columns = dict[str, list[Any]]
# The types that JSON schema, our fixed columns and the times come to, by one name.
_ARROW = {"integer": "int64", "number": "float64", "boolean": "bool_", "string": "string"}
_PANDAS = {"integer": "Int64", "number": "Float64", "boolean": "boolean", "time": "datetime64[us, UTC]"}
_POLARS = {"integer": "Int64", "number": "Float64", "boolean": "Boolean", "string": "String"}
_FITTING: Mapping[str, Callable[[Any], bool]] = {
    "integer": lambda value: type(value) is int and -(2**63) <= value < 2**63,
    "number": lambda value: type(value) in (int, float),
    "boolean": lambda value: type(value) is bool,
}


def choose_library(wanted: str | None) -> str:
    """Return the library to use. Raises InvalidInput where it is unknown or not installed."""
    if wanted is not None and wanted not in LIBRARIES:
        raise InvalidInput(f"library is {wanted!r}; allowed: {', '.join(LIBRARIES)}.")
    for name in LIBRARIES if wanted is None else (wanted,):
        if find_spec(name) is not None:
            return name
    raise InvalidInput(
        f"A data frame needs {wanted or ' or '.join(LIBRARIES)}, which is not installed: "
        "pip install 'arboretum[analysis]'."
    )


def column_types(batch: Batch, layout: Layout) -> dict[str, str]:
    """Return the columns of a frame with their types: integer, number, boolean, string or time.

    Fields of the answer have the type that the output schema says; where it says several or none, lists or objects,
    they are JSON text.
    """
    schema = output_schema(batch) or {}
    types = dict.fromkeys(layout.names, "string")
    types |= dict.fromkeys(WHOLE_NUMBERS, "integer") | {"cost": "number", "cached": "boolean"}
    for name in layout.parsed_fields:
        types[f"parsed.{name}"] = _schema_type(schema["properties"][name])
    return types | {column.name: "time" for column in TIMES}


def make_frame(library: str, batch: Batch, selection: Selection, labels: VersionLabels) -> Any:
    """Return the rows of `selection`, which was made with `TIMES`, as a frame of `library`."""
    layout = Layout.of_batch(batch)
    types = column_types(batch, layout)
    pieces = _columns(selection, labels, layout, types)
    if find_spec("pyarrow"):
        table = _arrow(pieces, types)
        return import_module("polars").from_arrow(table) if library == "polars" else _pandas_of_arrow(table)
    return _polars(pieces, types) if library == "polars" else _pandas(pieces, types)


def _schema_type(schema: Any) -> str:
    """Return a field's type; one that may also be null has it too."""
    given = schema.get("type") if isinstance(schema, dict) else None
    names = [name for name in (given if isinstance(given, list) else [given]) if name != "null"]
    return str(names[0]) if len(names) == 1 and names[0] in _FITTING else "string"


def _columns(
    selection: Selection, labels: VersionLabels, layout: Layout, types: Mapping[str, str]
) -> Iterator[Columns]:
    """Yield the rows, piece by piece, as columns: at least one piece, so that there are always columns."""
    empty = True
    for piece in selection.pieces():
        empty = False
        yield _piece_columns(piece, labels, layout, types)
    if empty:
        yield {name: [] for name in types}


def _piece_columns(piece: Sequence[Any], labels: VersionLabels, layout: Layout, types: Mapping[str, str]) -> Columns:
    flat = zip(*flat_rows([row[:ROW_WIDTH] for row in piece], labels, layout), strict=True)
    times = zip(*(row[ROW_WIDTH:] for row in piece), strict=True)
    columns = {name: list(values) for name, values in zip(types, [*flat, *times], strict=True)}
    for name in layout.parsed_fields:
        fits = _FITTING.get(types[f"parsed.{name}"])
        if fits is not None:
            columns[f"parsed.{name}"] = [_typed(text, fits) for text in columns[f"parsed.{name}"]]
    return columns


def _typed(text: str | None, fits: Callable[[Any], bool]) -> Any:
    """Return what JSON text says where it fits its column; an answer of another version may not."""
    if text is None:
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if fits(value) else None


def _polars(pieces: Iterator[Columns], types: Mapping[str, str]) -> Any:
    polars = import_module("polars")
    schema = {
        name: polars.Datetime("us", "UTC") if kind == "time" else getattr(polars, _POLARS[kind])
        for name, kind in types.items()
    }
    return polars.concat([polars.DataFrame(columns, schema=schema) for columns in pieces])


def _pandas(pieces: Iterator[Columns], types: Mapping[str, str]) -> Any:
    pandas = import_module("pandas")
    kinds = {name: _PANDAS.get(kind) or pandas.StringDtype() for name, kind in types.items()}
    frames = [
        pandas.DataFrame({name: _pandas_array(pandas, columns[name], kinds[name]) for name in types})
        for columns in pieces
    ]
    return pandas.concat(frames, ignore_index=True)


def _pandas_array(pandas: Any, values: list[Any], kind: Any) -> Any:
    if kind == _PANDAS["time"]:
        return pandas.DatetimeIndex(_naive(values), dtype="datetime64[us]").tz_localize("UTC")
    return pandas.array(values, dtype=kind)


def _naive(values: list[datetime | None]) -> list[datetime | None]:
    return [None if value is None else value.replace(tzinfo=None) for value in values]


def _arrow(pieces: Iterator[Columns], types: Mapping[str, str]) -> Any:
    """Return an Arrow table of the pieces, whose texts lie side by side and are taken over as they are."""
    arrow = import_module("pyarrow")
    schema = arrow.schema(
        [
            (name, arrow.timestamp("us", "UTC") if kind == "time" else getattr(arrow, _ARROW[kind])())
            for name, kind in types.items()
        ]
    )
    return arrow.Table.from_batches([arrow.record_batch(columns, schema=schema) for columns in pieces])


def _pandas_of_arrow(table: Any) -> Any:
    pandas, arrow = import_module("pandas"), import_module("pyarrow")
    nullable = {
        arrow.int64(): pandas.Int64Dtype(),
        arrow.float64(): pandas.Float64Dtype(),
        arrow.bool_(): pandas.BooleanDtype(),
        arrow.string(): pandas.StringDtype(),
    }
    return table.to_pandas(types_mapper=nullable.get, split_blocks=True, self_destruct=True)
