"""Tile predictions as WSInfer writes them, for tools that read its tables."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.io.atomic import replacing

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


def write_wsinfer_csv(
    path: Path, x: Ints, y: Ints, side: float, values: Floats, columns: Sequence[str]
) -> None:
    """A CSV with the columns minx, miny, width, height and those of the task.

    Places and sides are whole level-0 px; as in WSInfer, the corner of the slide's bounds is not
    subtracted. Values have as many digits as 32-bit floats need. Tiles whose row holds a
    NaN (no prediction) are left out.

    Args:
        path: Where; whole or not at all.
        x: (N,) left edges of the tiles, level-0 px as OpenSlide counts them.
        y: (N,) top edges.
        side: Side of a tile, level-0 px; rounded.
        values: (N, C).
        columns: Names of the C columns, as in prediction tables.
    """
    known = ~np.isnan(values).any(axis=1)
    side_px = round(side)
    places = zip(x[known].tolist(), y[known].tolist(), strict=True)
    numbers = values[known].astype(np.float32).astype(str).tolist()
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["minx", "miny", "width", "height", *columns])
        for (left, top), row in zip(places, numbers, strict=True):
            writer.writerow([left, top, side_px, side_px, *row])
