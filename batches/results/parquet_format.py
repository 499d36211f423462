"""Results as Parquet, by pyarrow, which is an extra: pip install 'arboretum[parquet]'."""

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from workers.errors import InvalidInput

from .flat import WHOLE_NUMBERS, Layout, flat_rows
from .selection import ResultRow
from .versions import VersionLabels


class _Drain(io.RawIOBase):
    """A sink whose bytes are taken away while it is written."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._position += len(part)
        return len(part)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def require_pyarrow() -> None:
    """Raise InvalidInput where pyarrow is not installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise InvalidInput(
            "format 'parquet' needs pyarrow, which is not installed: pip install 'arboretum[parquet]'. "
            "csv and jsonl need nothing."
        ) from None


def encode_parquet(pieces: Iterable[Sequence[ResultRow]], labels: VersionLabels, layout: Layout) -> Iterator[bytes]:
    """Yield a Parquet file, a row group for each piece. Input columns and answers are texts, JSON where nested."""
    import pyarrow as pa
    from pyarrow import parquet

    drain = _Drain()
    schema = pa.schema([(name, _type_of(name, pa)) for name in layout.names])
    with parquet.ParquetWriter(drain, schema, compression="zstd") as writer:
        for piece in pieces:
            columns = zip(*flat_rows(piece, labels, layout), strict=True)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            yield drain.take()
    yield drain.take()


def _type_of(name: str, pa: Any) -> Any:
    if name in WHOLE_NUMBERS:
        return pa.int64()
    return {"cost": pa.float64(), "cached": pa.bool_()}.get(name) or pa.string()
