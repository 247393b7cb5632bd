"""Tables and their footers."""

from pathlib import Path

import pytest

from histotile.errors import HistotileError
from histotile.io import tables

SCHEMA = tables.prediction_schema(("prob_healthy", "prob_tumour"))
COLUMNS = {
    "tile_id": [0, 1],
    "x": [0, 224],
    "y": [5, 5],
    "prob_healthy": [0.75, 0.5],
    "prob_tumour": [0.25, 0.5],
    "distance": [0.5, 1.5],
    "familiarity": ["familiar", "foreign"],
}


def test_a_table_comes_back_with_its_footer(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "t.parquet"
    tables.write_table(path, COLUMNS, SCHEMA, {"mpp": 0.5, "slide_id": "ä 😐"})
    assert tables.read_table(path).to_pydict() == COLUMNS
    footer = tables.read_footer(path)
    assert (footer["mpp"], footer["slide_id"]) == (0.5, "ä 😐")
    assert "histotile" in footer


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        tables.write_table(tmp_path / name, COLUMNS, SCHEMA, {"mpp": 0.5})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_empty_table_is_a_value(tmp_path: Path) -> None:
    path = tmp_path / "empty.parquet"
    tables.write_table(path, {name: [] for name in COLUMNS}, SCHEMA, {})
    assert tables.read_table(path).num_rows == 0


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not a table"])
def test_broken_tables_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(content)
    with pytest.raises(HistotileError, match=r"t\.parquet"):
        tables.read_table(path)
    with pytest.raises(HistotileError, match=r"t\.parquet"):
        tables.read_footer(path)
