"""The picture of a slide's probabilities, for the eyes of a pathologist."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histotile.config import Heatmap
from histotile.results.frame import Caption, Legend, frame_picture
from histotile.results.maps import ProbabilityMap
from histotile.tables import replacing

Rgb = NDArray[np.uint8]
Bools = NDArray[np.bool_]

_STRIP = 512  # rows blended at once: bounds memory on large pictures
_LEAST_PX = 600  # pictures of tiny slides are enlarged by a whole factor to about this side
_ANALYSED = (70, 70, 70)


def paint_heatmap(
    overview: Rgb, downsample: float, found: ProbabilityMap, settings: Heatmap, caption: Caption
) -> Rgb:
    """The heatmap of a slide in its frame: title, scale bar, colour bar, legend.

    Where the map holds no tile at all, the plain overview under the words "no tiles" and the
    reason that `caption` gives.

    Args:
        overview: (h, w, 3) RGB of the whole slide.
        downsample: Level-0 px per px of the overview.
        found: Map of the slide.
        settings: Class, threshold, colours.
        caption: What the words say.

    Returns:
        (H, W, 3) RGB, larger than the overview by the frame.

    Raises:
        HistotileError: `settings.class_name` is not in the map.
    """
    factor = max(1, _LEAST_PX // max(overview.shape[:2]))
    larger = overview.repeat(factor, axis=0).repeat(factor, axis=1)
    painted = paint_overlay(larger, downsample / factor, found, settings)
    spread = _spread(found, found.layer(settings.class_name), larger.shape, downsample / factor)
    known = ~np.isnan(spread)
    legend = Legend(
        class_name=settings.class_name or found.classes[-1],
        threshold=settings.threshold,
        bar=_blend(_tissue_below(larger, spread), np.linspace(0, 1, 256), settings),
        um_per_px=caption.mpp * downsample / factor if caption.mpp else None,
        is_empty=not known.any(),
    )
    return frame_picture(painted, caption, legend)


def paint_overlay(
    overview: Rgb, downsample: float, found: ProbabilityMap, settings: Heatmap
) -> Rgb:
    """The overview with the probability of one class blended over it; same size, no frame.

    Each cell of the map colours exactly the px whose centre lies in it, without smoothing. The
    colour's opacity is `settings.opacity` times the probability, so tissue stays readable where
    there is nothing to see. A double line, white inside and black outside, surrounds what reaches
    the threshold; a thin grey line surrounds all that was analysed.

    Args:
        overview: (h, w, 3) RGB of the whole slide.
        downsample: Level-0 px per px of the overview.
        found: Map of the slide.
        settings: Class, threshold, colours.
    """
    spread = _spread(found, found.layer(settings.class_name), overview.shape, downsample)
    painted = overview.copy()
    for top in range(0, len(painted), _STRIP):
        p = spread[top : top + _STRIP]
        known = ~np.isnan(p)
        strip = painted[top : top + _STRIP]
        strip[known] = _blend(strip[known], p[known], settings)
    known = ~np.isnan(spread)
    painted[_grown(known, 1) & ~known] = _ANALYSED
    high = np.where(known, spread, -1) >= settings.threshold
    px = _line_px(overview.shape, found.covered / downsample)
    painted[_grown(high, px) & ~high] = 0
    painted[high & _grown(~high, px)] = 255
    return painted


def write_picture(path: Path, rgb: Rgb) -> None:
    """A PNG, whole or not at all."""
    from PIL import Image

    with replacing(path) as temporary:
        Image.fromarray(rgb).save(temporary, format="PNG", compress_level=6)


def _spread(
    found: ProbabilityMap, layer: NDArray[np.float32], shape: tuple[int, ...], downsample: float
) -> NDArray[np.float32]:
    """(h, w): the probability at the centre of each px of the overview; NaN outside tiles."""
    rows, in_rows = _cells(shape[0], downsample, found.y0, found, layer.shape[0])
    columns, in_columns = _cells(shape[1], downsample, found.x0, found, layer.shape[1])
    spread = layer[np.ix_(rows, columns)]
    spread[~in_rows] = np.nan
    spread[:, ~in_columns] = np.nan
    return spread


def _tissue_below(overview: Rgb, spread: NDArray[np.float32]) -> NDArray[np.float64]:
    """The mean colour of what is painted over, mostly where the probability is high.

    The colour bar is painted over it, so that it shows the colours one sees on the picture.
    """
    known = ~np.isnan(spread)
    if not known.any():
        return np.full(3, 255.0)
    return np.asarray(np.average(overview[known], axis=0, weights=spread[known] + 0.02))


def _cells(
    n_px: int, downsample: float, origin: float, found: ProbabilityMap, n_cells: int
) -> tuple[NDArray[np.int64], Bools]:
    """The cell each px along one axis belongs to, and whether it belongs to one."""
    along = (np.arange(n_px) + 0.5) * downsample - origin
    cell = np.floor(along / found.step).astype(np.int64)
    inside = (cell >= 0) & (cell < n_cells) & (along - cell * found.step < found.covered)
    return np.clip(cell, 0, n_cells - 1), inside


def _blend(below: NDArray[np.generic], p: NDArray[np.floating], settings: Heatmap) -> Rgb:
    """(N, 3) colours of N probabilities over the (N, 3) or (3,) colours below them."""
    from matplotlib import colormaps

    colours = colormaps[settings.colormap](np.clip(p, 0, 1))[..., :3] * 255
    opacity = settings.opacity * np.clip(p, 0, 1)[..., None]
    return np.asarray(np.rint(below * (1 - opacity) + colours * opacity), dtype=np.uint8)


def _line_px(shape: tuple[int, ...], tile_px: float) -> int:
    """Width of the contour's lines: finer on small pictures, and where tiles are small."""
    return max(1, min(round(max(shape[:2]) / 900), int(tile_px / 6)))


def _grown(mask: Bools, px: int) -> Bools:
    """The mask grown by that many px in all eight directions."""
    grown = mask.copy()
    for axis in (0, 1):
        for _ in range(px):
            last = grown.copy()
            ahead, behind = [slice(None)] * 2, [slice(None)] * 2
            ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
            grown[tuple(ahead)] |= last[tuple(behind)]
            grown[tuple(behind)] |= last[tuple(ahead)]
    return grown
