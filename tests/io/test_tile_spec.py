"""Tile specs: what a footer tells, and what it may leave out."""

from pathlib import Path

import pytest

from histotile.errors import HistotileError
from histotile.io import tables
from histotile.io.tile_spec import IMAGES, TileSpec, read_spec

LEAST = {"slide_id": "s", "tile_px": 224, "tile_mpp": 0.5}


def test_a_table_tells_its_slide_and_the_sizes_of_its_tiles(tmp_path: Path) -> None:
    facts = LEAST | {"path": "slides/s.svs", "mpp": 0.25, "bounds": [1, 2, 30, 40]}
    facts |= {"size_level0_px": 448.0, "width": 100, "height": 50, "classes": ["a", "b"]}
    columns: dict[str, list[None]] = {name: [] for name in tables.TILES.names}
    tables.write_table(tmp_path / "s.parquet", columns, tables.TILES, facts)
    spec = read_spec(tmp_path / "s.parquet")
    assert (spec.tile_px, spec.tile_mpp, spec.mpp, spec.size_level0_px) == (224, 0.5, 0.25, 448)
    assert (spec.bounds, spec.width, spec.height) == ((1, 2, 30, 40), 100, 50)
    assert spec.classes == ("a", "b") and not spec.is_of_images
    assert spec.place(None) == Path("slides/s.svs") and spec.place(Path("x")) == Path("x")


def test_what_a_broken_slide_does_not_know_is_nothing() -> None:
    facts = {"mpp": None, "width": None, "height": None, "bounds": None, "verdict": "broken"}
    spec = TileSpec.of(LEAST | facts | {"size_level0_px": None, "path": "s.svs"})
    assert (spec.mpp, spec.size_level0_px, spec.width, spec.bounds) == (None, None, 0, (0, 0, 0, 0))


def test_images_have_no_slide() -> None:
    assert TileSpec.of(LEAST | {"source": IMAGES}).is_of_images


def test_another_programs_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(HistotileError, match="not a readable table"):
        read_spec(tmp_path / "s.parquet")


def test_a_table_of_predictions_is_none_of_tiles(tmp_path: Path) -> None:
    schema = tables.prediction_schema(())
    columns: dict[str, list[None]] = {name: [] for name in schema.names}
    tables.write_table(tmp_path / "p.parquet", columns, schema, {"slide_id": "s"})
    with pytest.raises(HistotileError, match="no tile table: it does not tell tile_px, tile_mpp"):
        read_spec(tmp_path / "p.parquet")
