"""A few real tiles of a cohort, for comparing models on."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histotile.slides.pixels import UnreadableTile, read_tile
from histotile.slides.slide import Slide
from histotile.tables import read_footer, read_table


def sample_tiles(tables: Sequence[Path], count: int) -> NDArray[np.uint8]:
    """Up to `count` tiles spread evenly over slides and over each slide, (N, px, px, 3) RGB.

    Excluded tiles are left out; the choice is the same each time.

    Args:
        tables: Tile tables; each says where its slide is.
        count: Number of tiles wanted.
    """
    with_tiles = [table for table in tables if _used(table)]
    if not with_tiles:
        return np.zeros((0, 1, 1, 3), np.uint8)
    shares = [len(part) for part in np.array_split(np.arange(count), len(with_tiles))]
    found = [_sample(table, n) for table, n in zip(with_tiles, shares, strict=True)]
    return np.stack([tile for some in found for tile in some])


def _used(tiles: Path) -> list[tuple[int, int]]:
    table = read_table(tiles).select(["x", "y", "excluded"]).to_pylist()
    return [(row["x"], row["y"]) for row in table if row["excluded"] is None]


def _sample(tiles: Path, count: int) -> list[NDArray[np.uint8]]:
    places = _used(tiles)
    footer = read_footer(tiles)
    chosen = np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int)
    found = []
    with Slide.open(Path(footer["path"]), footer["mpp"]) as slide:
        for x, y in (places[k] for k in chosen):
            # A tile damaged since it was tabulated is one tile less to compare on.
            with suppress(UnreadableTile):
                found.append(read_tile(slide, x, y, footer["tile_mpp"], footer["tile_px"]))
    return found
