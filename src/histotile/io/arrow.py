"""Columns of tables to Arrow and back without pandas, whose import takes longer than the work."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def arrow_columns(columns: Mapping[str, Any], schema: pa.Schema) -> dict[str, pa.Array]:
    """The columns as Arrow arrays of the schema's types; null where masked, or a string is None.

    What `pyarrow.array` gives, which first imports pandas, if it is installed, to look for types
    of that: 0.3 s for a table of any size.

    Args:
        columns: Numpy arrays of numbers, masked or not; lists of strings and None. Anything else
            goes through `pyarrow.array`.
        schema: Column names and types: int32, float32, bool and string.

    Raises:
        ValueError: A number is no int32 in a column of such.
    """
    return {name: _array(columns[name], schema.field(name).type) for name in schema.names}


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values.cast(kind)
    if kind == pa.string():
        return _strings(values)
    if not isinstance(values, np.ndarray) or values.dtype == object:
        return pa.array(values, kind)
    known = ~np.ma.getmaskarray(values) if np.ma.isMaskedArray(values) else None
    plain = np.ma.getdata(values)
    data = _bits(plain) if kind == pa.bool_() else pa.py_buffer(_converted(plain, known, kind))
    return pa.Array.from_buffers(kind, len(plain), [_validity(known), data])


def _converted(plain: NDArray[Any], known: NDArray[np.bool_] | None, kind: Any) -> NDArray[Any]:
    with np.errstate(invalid="ignore"):  # NaN where masked
        converted = np.ascontiguousarray(plain, kind.to_pandas_dtype())
    alike = pa.types.is_floating(kind) or converted.dtype == plain.dtype or converted == plain
    if not np.all(alike if known is None else alike | ~known):
        raise ValueError(f"some numbers are no {kind}")
    return converted


def _strings(values: Sequence[str | None]) -> pa.Array:
    coded = [b"" if value is None else value.encode() for value in values]
    ends = np.zeros(len(coded) + 1, np.int32)
    np.cumsum([len(word) for word in coded], out=ends[1:])
    known = np.array([value is not None for value in values], bool)
    buffers = [_validity(known), pa.py_buffer(ends), pa.py_buffer(b"".join(coded))]
    return pa.Array.from_buffers(pa.string(), len(coded), buffers)


def _validity(known: NDArray[np.bool_] | None) -> pa.Buffer | None:
    return None if known is None or known.all() else _bits(known)


def _bits(flags: NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def numbers(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column of int32 or float32 without nulls as an array of its own, made without pandas.

    Raises:
        ValueError: It holds nulls.
    """
    if column.null_count:
        raise ValueError(f"{column.null_count} values are null")
    parts = [np.zeros(0, column.type.to_pandas_dtype()), *map(_plain, column.chunks)]
    return np.concatenate(parts)


def floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A column of float32 as an array of its own, NaN where null, made without pandas."""
    values = [np.zeros(0), *(_plain(chunk) for chunk in column.chunks)]
    return np.where(known(column), np.concatenate(values), np.nan)


def known(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Which values of a column are not null, made without pandas."""
    parts = [_valid(chunk) for chunk in column.chunks]
    return np.concatenate([np.zeros(0, bool), *parts])


def _plain(chunk: pa.Array) -> NDArray[Any]:
    values = np.frombuffer(chunk.buffers()[1], chunk.type.to_pandas_dtype())
    return values[chunk.offset : chunk.offset + len(chunk)]


def _valid(chunk: pa.Array) -> NDArray[np.bool_]:
    """By the bitmap, as `is_valid` would import pyarrow.compute."""
    bitmap = chunk.buffers()[0]
    if bitmap is None or not chunk.null_count:
        return np.full(len(chunk), chunk.null_count == 0)
    bits = np.frombuffer(bitmap, np.uint8)
    return np.unpackbits(bits, bitorder="little")[chunk.offset :][: len(chunk)].astype(bool)
