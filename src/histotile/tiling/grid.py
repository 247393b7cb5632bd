"""Where the tiles of a slide lie: geometry on sizes, without pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histotile.config import Tile
from histotile.errors import HistotileError

LEVEL_TOLERANCE = 1e-3  # a level counts as coarse enough if its downsample is that close
UPSAMPLING_TOLERANCE = 0.01 + 1e-9  # scanners state mpp to about 1 %: 0.5 may be cut from 0.504
_CELLS_AT_ONCE = 1 << 19


@dataclass(frozen=True)
class Grid:
    """The tiles of a slide, as a product of columns and rows.

    Attributes:
        columns: Left edges in level-0 px, int32, increasing.
        rows: Top edges in level-0 px, int32, increasing.
        size_level0_px: Exact side of a tile in level-0 px; seldom whole.
        stride_level0_px: Exact distance of neighbours in level-0 px.
        level: Pyramid level to read from: the coarsest that is not coarser than the tiles.
        empty_reason: Why there is no tile at all; None if there are some.
    """

    columns: NDArray[np.int32]
    rows: NDArray[np.int32]
    size_level0_px: float
    stride_level0_px: float
    level: int
    empty_reason: str | None

    @property
    def count(self) -> int:
        """Number of tiles."""
        return len(self.columns) * len(self.rows)

    def positions(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Every tile's x and y (level-0 px) in reading order: left to right, top to bottom."""
        return np.tile(self.columns, len(self.rows)), np.repeat(self.rows, len(self.columns))


def plan_grid(
    slide_id: str,
    bounds: Sequence[int],
    mpp: float,
    downsamples: Sequence[float],
    settings: Tile,
) -> Grid:
    """The grid of tiles wholly inside the scanned area.

    Column i starts at bounds.x + round(i * stride), with the stride exact in level-0 px, so that
    no error grows along the slide; neighbours at stride = tile meet within 1 px. An area smaller
    than one tile gives a grid without tiles and the reason.

    Args:
        slide_id: Named in errors.
        bounds: x, y, width, height of the scanned area, level-0 px.
        mpp: Micrometres per pixel of level 0.
        downsamples: Downsample of every level, in any order.
        settings: mpp, tile_px and stride_px of the tiles.

    Raises:
        HistotileError: The tiles are finer than the slide, beyond the tolerance of 1 %.
    """
    factor = settings.mpp / mpp
    if factor < 1 - UPSAMPLING_TOLERANCE:
        raise HistotileError(
            f"slide {slide_id}",
            f"tiles at {settings.mpp:g} um/px would have to be up-sampled: the slide was scanned "
            f"at {mpp:.4g} um/px",
            f"set tile.mpp >= {_round_up(mpp):g}, or take the slide out of the cohort",
        )
    size, stride = settings.tile_px * factor, settings.stride_px * factor
    x, y, width, height = bounds
    small = size > min(width, height) + 1e-6
    reason = f"the scanned area of {width} x {height} px is smaller than a tile of {size:.1f} px"
    return Grid(
        columns=_edges(x, width, size, stride),
        rows=_edges(y, height, size, stride),
        size_level0_px=size,
        stride_level0_px=stride,
        level=choose_level(downsamples, factor),
        empty_reason=reason if small else None,
    )


def choose_level(downsamples: Sequence[float], factor: float) -> int:
    """Index of the largest downsample not above `factor` (tolerance 0.1 %); else of the finest."""
    limit = factor * (1 + LEVEL_TOLERANCE)
    fitting = [(d, -i) for i, d in enumerate(downsamples) if d <= limit]
    return -max(fitting)[1] if fitting else int(np.argmin(downsamples))


def tissue_fractions(
    mask: NDArray[np.bool_], slide_size: tuple[int, int], grid: Grid
) -> NDArray[np.float32]:
    """Share of every tile's area that is tissue, shape (rows, columns), exact.

    Mask pixels are taken as rectangles of tissue or glass; edges of tiles may fall inside them.

    Args:
        mask: True for tissue, (height, width); it covers the whole slide.
        slide_size: Width and height of the slide, level-0 px. Slide width / mask width is the
            scale, which need not be whole.
        grid: The tiles.
    """
    scale_x, scale_y = slide_size[0] / mask.shape[1], slide_size[1] / mask.shape[0]
    integral = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int32)
    np.cumsum(mask, axis=0, dtype=np.int32, out=integral[1:, 1:])
    np.cumsum(integral, axis=1, dtype=np.int32, out=integral)
    size = grid.size_level0_px
    left, right = grid.columns / scale_x, (grid.columns + size) / scale_x
    top, bottom = grid.rows / scale_y, (grid.rows + size) / scale_y
    fractions = np.empty((len(grid.rows), len(grid.columns)), np.float32)
    step = max(1, _CELLS_AT_ONCE // (integral.shape[1] + len(grid.columns)))
    for start in range(0, len(grid.rows), step):
        part = slice(start, start + step)
        bands = _between(integral, bottom[part], 0) - _between(integral, top[part], 0)
        areas = _between(bands, right, 1) - _between(bands, left, 1)
        fractions[part] = areas * (scale_x * scale_y / size**2)
    return np.clip(fractions, 0, 1, out=fractions)


def _edges(origin: int, extent: int, size: float, stride: float) -> NDArray[np.int32]:
    count = int((extent - size) // stride) + 2 if extent >= size - 1e-6 else 0
    offsets = np.floor(np.arange(count) * stride + 0.5)
    inside = offsets + size <= extent + 1e-6
    return np.asarray(origin + np.unique(offsets[inside]), np.int32)


def _between(
    integral: NDArray[np.int32] | NDArray[np.float64], at: NDArray[np.float64], axis: int
) -> NDArray[np.float64]:
    """The integral at fractional places: exact, since it is linear within each mask pixel."""
    last = integral.shape[axis] - 1
    at = np.clip(at, 0, last)
    below = np.minimum(at.astype(np.int64), last - 1)
    weight = (at - below)[:, None] if axis == 0 else (at - below)[None, :]
    low, high = integral.take(below, axis), integral.take(below + 1, axis)
    return np.asarray(low + (high - low) * weight)


def _round_up(mpp: float) -> float:
    """The mpp in 3 digits after the point, never below it."""
    return float(np.ceil(mpp * 1000 - 1e-9) / 1000)
