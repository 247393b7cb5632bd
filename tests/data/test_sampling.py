"""A few tiles of a cohort: spread over slides, the same each time, damaged ones left out."""

from pathlib import Path

import numpy as np
import pytest

from histotile.data import sampling, source
from histotile.io import tables
from histotile.slides.slide import UnreadableTile


@pytest.fixture
def cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three tables: two slides with ten tiles of which one is excluded, and one without any."""

    class Opened:
        def __enter__(self) -> str:
            return "slide"

        def __exit__(self, *_: object) -> None:
            return None

    def read(_: object, x: int, y: int, mpp: float, tile_px: int) -> np.ndarray:
        if x == 30:
            raise UnreadableTile("damaged")
        return np.full((tile_px, tile_px, 3), x, np.uint8)

    monkeypatch.setattr("histotile.slides.slide.Slide.open", lambda *_: Opened())
    monkeypatch.setattr(source, "read_tile", read)
    paths = []
    for name, count in (("a", 10), ("b", 10), ("empty", 0)):
        path = tmp_path / f"{name}.parquet"
        columns: dict[str, object] = {field: [None] * count for field in tables.TILES.names}
        columns["x"] = [10 * k for k in range(count)]
        columns["y"] = [0] * count
        columns["excluded"] = ["pen"] * min(count, 1) + [None] * max(count - 1, 0)
        footer = {"slide_id": name, "path": name, "mpp": 0.5, "tile_mpp": 0.5, "tile_px": 4}
        tables.write_table(path, columns, tables.TILES, footer)
        paths.append(path)
    return paths


def test_tiles_are_spread_over_slides_and_positions(cohort: list[Path]) -> None:
    found = sampling.sample_tiles(cohort, 4)
    assert found[:, 0, 0, 0].tolist() == [10, 90, 10, 90]
    assert np.array_equal(found, sampling.sample_tiles(cohort, 4))


def test_excluded_and_damaged_tiles_are_left_out(cohort: list[Path]) -> None:
    found = sampling.sample_tiles(cohort, 100)[:, 0, 0, 0].tolist()
    assert found == [10, 20, 40, 50, 60, 70, 80, 90] * 2


def test_a_cohort_without_tiles_gives_none(cohort: list[Path]) -> None:
    assert len(sampling.sample_tiles(cohort[2:], 5)) == 0
