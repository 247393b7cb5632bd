"""Pixels of a tile at a scale, and which of them a pass over many tiles will read."""

import itertools

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from histotile.errors import HistotileError
from histotile.slides.slide import Slide
from histotile.slides.windows import Box, span, square

Rgb = NDArray[np.uint8]


def best_level(slide: Slide, downsample: float) -> int:
    """The coarsest usable level not coarser than `downsample` level-0 px per px, by 0.1 %."""
    fine_enough = [i for i, d in enumerate(slide.downsamples) if d <= downsample * 1.001]
    coarsest_first = sorted(fine_enough, key=lambda i: -slide.downsamples[i])
    return next((i for i in coarsest_first if not slide.left_out(i)), 0)


def known_mpp(slide: Slide) -> float:
    """The slide's mpp (um per level-0 px).

    Raises:
        HistotileError: It is unknown.
    """
    if slide.mpp is None:
        raise HistotileError(
            slide.path, "its mpp is unknown", "give it in the column `mpp` of the cohort file"
        )
    return slide.mpp


def read_tile(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> Rgb:
    """RGB (tile_px, tile_px, 3) of the square whose top-left corner is x, y.

    The square is tile_px * mpp / slide.mpp level-0 px wide. It is read from the coarsest level
    not coarser than `mpp` and resampled by Pillow's antialiased bilinear filter with a window in
    fractions of px; at a level's own scale and on whole px the pixels are the file's own. White
    where the slide is transparent and outside it.

    Args:
        slide: An open slide of known mpp.
        x: Level-0 px.
        y: Level-0 px.
        mpp: Scale of the tile, um/px.
        tile_px: Side of the tile, px.

    Raises:
        HistotileError: The slide's mpp is unknown.
        UnreadableTile: This region is damaged; others still read.
    """
    level, side = level_and_side(slide, mpp, tile_px)
    left, top, columns, rows, box = square(slide, level, x, y, side)
    pixels = slide.read(left, top, level, columns, rows)
    first, last = round(box[0]), round(box[1])
    own = (first, last, first + tile_px, last + tile_px)
    if all(abs(edge - whole) < 1e-6 for edge, whole in zip(box, own, strict=True)):
        if (columns, rows) == (tile_px, tile_px):
            return pixels
        return pixels[own[1] : own[3], own[0] : own[2]].copy()
    return _resampled(pixels, box, tile_px)


def expect_tiles(
    slide: Slide, x: NDArray[np.integer], y: NDArray[np.integer], mpp: float, tile_px: int
) -> None:
    """Announces that tiles will be read, each once and about in this order.

    The slide then decodes each compressed tile once, see `Slide.expect`.

    Args:
        slide: An open slide of known mpp.
        x: Of each tile, level-0 px.
        y: As `x`.
        mpp: Scale of the tiles, um/px.
        tile_px: Side of the tiles, px.

    Raises:
        HistotileError: The slide's mpp is unknown.
    """
    level, side = level_and_side(slide, mpp, tile_px)
    downsample = slide.downsamples[level]
    windows = np.empty((len(x), 4), np.int64)
    for axis, places in enumerate((x, y)):
        distinct, which = np.unique(places, return_inverse=True)  # few, as tiles lie on a grid
        firsts = (place / downsample for place in distinct.tolist())
        spans = [span(slide, level, axis, first, first + side)[:2] for first in firsts]
        windows[:, axis::2] = np.array(spans, np.int64).reshape(-1, 2)[which]
    slide.expect(level, windows)


def level_and_side(slide: Slide, mpp: float, tile_px: int) -> tuple[int, float]:
    """The level that tiles are read from, and how wide they are there (level px)."""
    downsample = mpp / known_mpp(slide)
    level = best_level(slide, downsample)
    step = downsample / slide.downsamples[level]
    if abs(step - 1) < 1e-3:  # a scale within 0.1 % of the level's is the level's own
        step = 1.0
    return level, tile_px * step


_FEW = 300  # tiles: resampling more takes Pillow longer than loading what is faster
_resamplings = itertools.count()


def _resampled(pixels: Rgb, box: Box, side: int) -> Rgb:
    if next(_resamplings) >= _FEW:
        from histotile.slides.readers.tiff.resample import resampled

        return resampled(pixels, box, side, side)
    left, top, right, bottom = box
    whole, size = Image.fromarray(pixels), (side, len(pixels))
    narrow = whole.resize(size, Image.Resampling.BILINEAR, box=(left, 0, right, len(pixels)))
    shown = narrow.resize((side, side), Image.Resampling.BILINEAR, box=(0, top, side, bottom))
    return np.array(shown)
