"""How much of each tile an area covers, exactly, however long its outline is."""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from histotile.slides.annotations.shapes import areas_only

# Where cutting an outline further stops paying: this few tiles, or this short an outline.
_FEW_TILES = 8
_FEW_VERTICES = 200


def overlap_shares(
    outline: Any, x: NDArray[np.int32], y: NDArray[np.int32], size: float
) -> NDArray[np.float32]:
    """Share of every tile's area inside a polygon (level-0 px), exact.

    A long outline is cut in halves together with the tiles until the pieces are short: then only
    tiles on the outline cost an intersection, and that with a short piece.
    """
    shares = np.zeros(len(x), np.float32)
    todo = [(areas_only(outline), np.arange(len(x)))]
    while todo:
        piece, tiles = todo.pop()
        if not len(tiles):
            continue
        left, top = x[tiles], y[tiles]
        if len(tiles) <= _FEW_TILES or shapely.get_num_coordinates(piece) <= _FEW_VERTICES:
            shares[tiles] = _shares_of_piece(piece, left, top, size)
            continue
        edges = left if np.ptp(left) >= np.ptp(top) else top
        for half in np.array_split(np.argsort(edges, kind="stable"), 2):
            xs, ys = left[half], top[half]
            box = shapely.box(xs.min(), ys.min(), xs.max() + size, ys.max() + size)
            todo.append((areas_only(shapely.intersection(piece, box)), tiles[half]))
    return np.clip(shares, 0, 1, out=shares)


def _shares_of_piece(
    piece: Any, left: NDArray[np.int32], top: NDArray[np.int32], size: float
) -> NDArray[np.float64]:
    squares = shapely.box(left, top, left + size, top + size)
    shapely.prepare(piece)
    shares = np.asarray(shapely.contains_properly(piece, squares), np.float64)
    partly = np.flatnonzero((shares == 0) & shapely.intersects(piece, squares))
    shares[partly] = shapely.area(shapely.intersection(piece, squares[partly])) / size**2
    return shares
