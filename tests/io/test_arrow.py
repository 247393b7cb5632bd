"""Arrow arrays without pandas are those of pyarrow itself."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histotile.io.arrow import arrow_columns, known, numbers

KINDS = {"i": pa.int32(), "f": pa.float32(), "m": pa.float32(), "b": pa.bool_(), "s": pa.string()}
SCHEMA = pa.schema(KINDS)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-(2**31), 2**31 - 1),
            st.floats(width=32),
            st.floats(width=32),
            st.booleans(),
            st.none() | st.text(),
        ),
        max_size=40,
    )
)
def test_columns_are_those_of_pyarrow(
    rows: list[tuple[int, float, float, bool, str | None]],
) -> None:
    i, f, m, b, s = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    columns = {
        "i": np.array(i, np.int32),
        "f": np.array(f, np.float32),
        "m": np.ma.masked_invalid(np.array(m, np.float32)),
        "b": np.array(b, bool),
        "s": list(s),
    }
    found = arrow_columns(columns, SCHEMA)
    for name in SCHEMA.names:
        found[name].validate(full=True)
        expected = pa.array(columns[name], SCHEMA.field(name).type)
        assert found[name].type == expected.type
        assert repr(found[name].to_pylist()) == repr(expected.to_pylist())  # NaN equals NaN


def test_other_widths_and_strides_are_cast() -> None:
    columns = {
        "i": np.arange(20)[::2],
        "f": np.arange(10.0),
        "m": np.ma.masked_greater(np.arange(20.0)[::2], 4),
        "b": np.arange(20)[::2] > 6,
        "s": ["ä"] * 9 + [None],
    }
    found = {name: array.to_pylist() for name, array in arrow_columns(columns, SCHEMA).items()}
    assert found["i"] == list(range(0, 20, 2))
    assert found["m"] == [0.0, 2.0, 4.0, *[None] * 7]
    assert found["b"] == [False] * 4 + [True] * 6
    assert found["s"] == columns["s"]


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, np.nan, np.inf, 0.5, 1e12])
def test_numbers_that_do_not_fit_are_refused_as_by_pyarrow(value: float) -> None:
    schema = pa.schema({"i": pa.int32()})
    values = np.array([1, value])
    with pytest.raises(pa.ArrowInvalid):
        pa.array(values, pa.int32())
    with pytest.raises(ValueError, match="no int32"):
        arrow_columns({"i": values}, schema)
    masked = np.ma.masked_array(values, [False, True])
    assert arrow_columns({"i": masked}, schema)["i"].to_pylist() == [1, None]


def test_arrays_of_objects_go_through_pyarrow() -> None:
    schema = pa.schema({"i": pa.int32(), "f": pa.float32()})
    columns = {"i": np.array([1, None], object), "f": np.array([None, 0.5], object)}
    found = arrow_columns(columns, schema)
    assert (found["i"].to_pylist(), found["f"].to_pylist()) == ([1, None], [None, 0.5])


@settings(deadline=None)
@given(st.lists(st.lists(st.none() | st.integers(-9, 9), max_size=12), max_size=4), st.data())
def test_columns_come_back_as_they_were(parts: list[list[int | None]], data: st.DataObject) -> None:
    column = pa.chunked_array(parts, pa.int32())
    start = data.draw(st.integers(0, len(column)))
    column = column[start:]
    values = [value for part in parts for value in part][start:]
    assert known(column).tolist() == [value is not None for value in values]
    whole = pa.chunked_array([[value or 0 for value in part] for part in parts], pa.float32())
    assert numbers(whole[start:]).tolist() == [value or 0 for value in values]


def test_nulls_are_no_numbers() -> None:
    with pytest.raises(ValueError, match="1 values are null"):
        numbers(pa.chunked_array([[1, None]], pa.int32()))


def test_pandas_is_not_imported(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np, pyarrow as pa; from histotile.io import tables;"
        "from histotile.io.arrow import numbers;"
        "from pathlib import Path;"
        "schema = pa.schema([('i', pa.int32()), ('s', pa.string())]);"
        "columns = {'i': np.arange(3), 's': ['a', None, 'b']};"
        "tables.write_table(Path(sys.argv[1]), columns, schema, {});"
        "numbers(tables.read_table(Path(sys.argv[1]))['i']);"
        "print('pandas' in sys.modules)"
    )
    told = subprocess.check_output(
        [sys.executable, "-c", code, str(tmp_path / "t.parquet")], text=True
    )
    assert told.strip() == "False"
