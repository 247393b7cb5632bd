"""What the mask of a slide says of its tiles: tissue, and ink."""

import numpy as np
from numpy.typing import NDArray

from histotile.config import Tile
from histotile.slides.tissue.tissue import INK, TISSUE

Levels = NDArray[np.uint8] | NDArray[np.bool_]  # of `slides.tissue`, or True for tissue


def is_tissue(levels: Levels) -> NDArray[np.bool_]:
    """Where the mask shows tissue."""
    return np.asarray(levels if levels.dtype == np.bool_ else levels == TISSUE)


def why_empty(levels: Levels | None, settings: Tile) -> str:
    """Why no tile holds enough tissue."""
    if levels is None or not (tissue := is_tissue(levels)).any():
        return "no tissue found"
    least = f"tile.min_tissue_fraction {settings.min_tissue_fraction:g}"
    return f"no tile holds {least} of tissue ({100 * tissue.mean():.2g} % of the slide is tissue)"


def inked_shares(
    levels: Levels | None,
    x: NDArray[np.int32],
    y: NDArray[np.int32],
    side: float,
    size: tuple[int, int],
) -> NDArray[np.float32]:
    """Share of each tile under ink, (tiles,), to the nearest px of the mask; 0 without a mask.

    Args:
        levels: Of `slides.tissue.survey`, covering the whole slide.
        x: Left edges of the tiles, level-0 px.
        y: Their top edges.
        side: Their side.
        size: Width and height of the slide, level-0 px.
    """
    if levels is None:
        return np.zeros(len(x), np.float32)
    height, width = levels.shape
    sums = np.zeros((height + 1, width + 1), np.int64)
    sums[1:, 1:] = (levels == INK).cumsum(axis=0).cumsum(axis=1)
    left, right = (np.rint(np.clip(e * width / size[0], 0, width)) for e in (x, x + side))
    top, bottom = (np.rint(np.clip(e * height / size[1], 0, height)) for e in (y, y + side))
    left, right, top, bottom = (edge.astype(int) for edge in (left, right, top, bottom))
    inked = (sums[bottom, right] - sums[bottom, left] - sums[top, right]) + sums[top, left]
    return np.asarray(inked / np.maximum((right - left) * (bottom - top), 1), np.float32)
