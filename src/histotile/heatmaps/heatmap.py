"""The pictures of a slide's predictions, for the eyes of a pathologist."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histotile.config import Heatmap
from histotile.heatmaps.figure_frame import Caption, Legend, frame_picture
from histotile.heatmaps.probability_map import ProbabilityMap
from histotile.io.atomic import replacing

Rgb = NDArray[np.uint8]
Bools = NDArray[np.bool_]

_STRIP = 512  # rows blended at once: bounds memory on large pictures
_LEAST_PX = 600  # pictures of tiny slides are enlarged by a whole factor to about this side
_MOST_PER_CELL = 64  # px; larger cells would blow small maps up without showing more
_ENOUGH = 250_000  # px that tell the mean colour of tissue; more add time only
_ANALYSED = (70, 70, 70)
_NO_TILE = (244, 244, 244)


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
    shown = found.meaning(settings.class_name)
    legend = Legend(
        shown=shown,
        threshold=shown.at(settings.threshold),
        bar=_blend(_tissue_below(larger, shown.share(spread)), np.linspace(0, 1, 256), settings),
        um_per_px=caption.mpp * downsample / factor if caption.mpp else None,
        is_empty=bool(np.isnan(spread).all()),
    )
    return frame_picture(painted, caption, legend)


def paint_map(found: ProbabilityMap, settings: Heatmap, caption: Caption) -> Rgb:
    """The values alone, no slide below them, in the same frame.

    Args:
        found: Map of the slide.
        settings: Class, threshold, colours.
        caption: What the words say.

    Returns:
        (H, W, 3) RGB, larger than what `paint_cells` paints by the frame.

    Raises:
        HistotileError: `settings.class_name` is not in the map.
    """
    painted, downsample = paint_cells(found, settings)
    shown = found.meaning(settings.class_name)
    legend = Legend(
        shown=shown,
        threshold=shown.at(settings.threshold),
        bar=colours(np.linspace(0, 1, 256), settings),
        um_per_px=caption.mpp * downsample if caption.mpp else None,
        is_empty=bool(np.isnan(found.layer(settings.class_name)).all()),
        no_tile=_NO_TILE,
    )
    return frame_picture(painted, caption, legend)


def paint_cells(found: ProbabilityMap, settings: Heatmap) -> tuple[Rgb, float]:
    """The map of one class in opaque colours with the lines of `paint_overlay`, no frame.

    The cells are enlarged by a whole factor and not smoothed; the longest side is
    `settings.overview_px` at most. Of a map of more cells than that, each px shows the cell at its
    centre. Grey-white: no tile.

    Args:
        found: Map of the slide.
        settings: Class, threshold, colours; the opacity does not matter here.

    Returns:
        (h, w, 3) RGB whose top-left corner is (found.x0, found.y0); level-0 px per px.
    """
    layer = found.layer(settings.class_name)
    per_cell = _px_per_cell(max(layer.shape), settings.overview_px)
    size = tuple(max(1, round(n * per_cell)) for n in layer.shape)
    downsample = found.step / per_cell
    spread = _spread(replace(found, x0=0.0, y0=0.0), layer, size, downsample)
    painted = np.full((*size, 3), _NO_TILE, np.uint8)
    known, shown = ~np.isnan(spread), found.meaning(settings.class_name)
    painted[known] = colours(shown.share(spread[known]), settings)
    _draw_lines(painted, spread, shown.at(settings.threshold), found.covered / downsample)
    return painted, downsample


def class_shown(found: ProbabilityMap, settings: Heatmap) -> str:
    """The class that pictures show: the one the settings name, else the last."""
    return found.classes[-1] if settings.class_name is None else settings.class_name


def colours(p: NDArray[np.floating], settings: Heatmap) -> Rgb:
    """(..., 3) opaque colours of shares of the scale; values beyond 0 and 1 look like these."""
    return np.asarray(np.rint(_ramp(settings)[_level(p)]), dtype=np.uint8)


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
    shown = found.meaning(settings.class_name)
    shares, painted = shown.share(spread), overview.copy()
    for top in range(0, len(painted), _STRIP):
        p = shares[top : top + _STRIP]
        known = ~np.isnan(p)
        strip = painted[top : top + _STRIP]
        strip[known] = _blend(strip[known], p[known], settings)
    _draw_lines(painted, spread, shown.at(settings.threshold), found.covered / downsample)
    return painted


def write_picture(path: Path, rgb: Rgb) -> None:
    """A PNG, whole or not at all."""
    from PIL import Image

    with replacing(path) as temporary:  # level 6 takes twice the time for 2 % of the bytes
        Image.fromarray(rgb).save(temporary, format="PNG", compress_level=3)


def _spread(
    found: ProbabilityMap, layer: NDArray[np.float32], shape: tuple[int, ...], downsample: float
) -> NDArray[np.float32]:
    """(h, w): the value at the centre of each px of the overview; NaN outside tiles."""
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
    known = np.flatnonzero(~np.isnan(spread))
    if len(known) == 0:
        return np.full(3, 255.0)
    some = known[:: 1 + len(known) // _ENOUGH]
    weights = np.clip(spread.ravel()[some], 0, None) + 0.02
    return np.asarray(np.average(overview.reshape(-1, 3)[some], axis=0, weights=weights))


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
    opacity = settings.opacity * np.clip(p, 0, 1)[..., None]
    blended = below * (1 - opacity) + _ramp(settings)[_level(p)] * opacity
    return np.asarray(np.rint(blended), dtype=np.uint8)


def _ramp(settings: Heatmap) -> NDArray[np.float32]:
    """(256, 3) colours of probability 0 to 1, each 0 to 255."""
    from matplotlib import colormaps

    return np.asarray(colormaps[settings.colormap](np.arange(256))[:, :3] * 255, np.float32)


def _level(p: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The colour, of 256, that each probability takes."""
    return np.asarray(np.clip(p * 256, 0, 255), dtype=np.uint8)


def _px_per_cell(cells: int, most_px: int) -> float:
    """Px of the picture per cell of a map that many cells long; whole unless below 1."""
    if cells > most_px:
        return most_px / cells
    return max(1, min(most_px // cells, max(_MOST_PER_CELL, _LEAST_PX // cells)))


def _draw_lines(painted: Rgb, spread: NDArray[np.float32], threshold: float, tile: float) -> None:
    """Draw a grey line round what was analysed, a double line round what reaches the threshold.

    `painted` is changed in place; `tile` is the side of a tile in px of the picture.
    """
    known = ~np.isnan(spread)
    painted[_grown(known, 1) & ~known] = _ANALYSED
    high = np.where(known, spread, -np.inf) >= threshold
    px = _line_px(painted.shape, tile)
    painted[_grown(high, px) & ~high] = 0
    low = np.pad(~high, px, constant_values=True)  # so that lines close at the picture's edge
    painted[high & _grown(low, px)[px:-px, px:-px]] = 255


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
