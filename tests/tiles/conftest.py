"""Small slides and tile tables made on the spot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from histotile import tables

MakeSlide = Callable[..., Path]
MakeTable = Callable[..., Path]


@pytest.fixture
def make_slide(tmp_path: Path) -> MakeSlide:
    """Writes a lossless slide of coloured noise, (height, width), that OpenSlide opens."""

    def write(name: str, height: int = 512, width: int = 768, seed: int = 0) -> Path:
        rgb = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
        path = tmp_path / f"{name}.tiff"
        tifffile.imwrite(path, rgb, tile=(64, 64), photometric="rgb", compression="zlib")
        return path

    return write


@pytest.fixture
def make_table(tmp_path: Path) -> MakeTable:
    """Writes the tile table of a slide: a full grid of 64 px tiles at its own scale, 0.5 mpp."""

    def write(slide: Path, labels: Any = None, excluded: Any = None, **footer: Any) -> Path:
        y, x = (a.ravel().astype(np.int32) for a in np.mgrid[0:512:64, 0:768:64])
        n = len(x)
        columns: dict[str, Any] = {name: [None] * n for name in tables.TILES.names}
        columns |= {
            "tile_id": np.arange(n),
            "x": x,
            "y": y,
            "label": [None] * n if labels is None else labels,
            "excluded": [None] * n if excluded is None else excluded,
        }
        facts = {"slide_id": slide.stem, "path": str(slide), "mpp": 0.5, "tile_mpp": 0.5}
        path = tmp_path / f"{slide.stem}.parquet"
        tables.write_table(path, columns, tables.TILES, {**facts, "tile_px": 64, **footer})
        return path

    return write
