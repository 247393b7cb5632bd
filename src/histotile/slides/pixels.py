"""Pixels at a scale: one function for a tile, one for the overview of a slide."""

import logging
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from histotile.errors import HistotileError
from histotile.slides.slide import Slide, UnreadableTile

__all__ = ["UnreadableTile", "best_level", "read_overview", "read_tile"]

Rgb = NDArray[np.uint8]
Box = tuple[float, float, float, float]
Block = tuple[int, int, int, int]  # left, top, right, bottom


def best_level(slide: Slide, downsample: float) -> int:
    """The coarsest level not coarser than `downsample` level-0 px per px (0.1 % tolerance)."""
    fine_enough = [i for i, d in enumerate(slide.downsamples) if d <= downsample * 1.001]
    return max(fine_enough, key=lambda i: slide.downsamples[i], default=0)


def read_tile(slide: Slide, x: int, y: int, mpp: float, tile_px: int) -> Rgb:
    """RGB (tile_px, tile_px, 3) of the square whose top-left corner is x, y.

    The square is tile_px * mpp / slide.mpp level-0 px wide. It is read from the coarsest level
    not coarser than `mpp` and resampled by PIL's antialiased bilinear filter with a window in
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
    downsample = mpp / known_mpp(slide)
    level = best_level(slide, downsample)
    step = downsample / slide.downsamples[level]
    if abs(step - 1) < 1e-3:  # a scale within 0.1 % of the level's is the level's own
        step = 1.0
    left, top = x / slide.downsamples[level], y / slide.downsamples[level]
    side = tile_px * step
    picture, box = _read_window(slide, level, (left, top, left + side, top + side))
    return _resample(picture, box, tile_px)


def read_overview(
    slide: Slide, max_px: int | None = None, mpp: float | None = None, block_px: int = 2048
) -> tuple[Rgb, float]:
    """RGB of the whole slide, and how many level-0 px one of its px stands for.

    Read block by block from the best level, so that memory does not grow with the slide even
    where low levels are missing; without `max_px` the picture is at most 8 Mpx. It is resampled by
    PIL's antialiased bilinear filter. What cannot be read stays white and is counted in the log.

    Args:
        slide: An open slide.
        max_px: Longest side, px.
        mpp: Scale, um/px. With both, the coarser holds. Never finer than level 0.
        block_px: Longest side of what is read at once, level px.

    Raises:
        HistotileError: `mpp` is asked of a slide whose mpp is unknown.
    """
    scale = _overview_scale(slide, max_px, mpp)
    level = best_level(slide, scale)
    width, height = (max(1, round(side / scale)) for side in (slide.width, slide.height))
    downsample = slide.downsamples[level]
    steps = (slide.width / width / downsample, slide.height / height / downsample)
    source = _Pyramid(slide, level, steps)
    picture = np.full((height, width, 3), 255, np.uint8)
    chunks = [max(1, int(block_px / step)) for step in steps]
    damaged: list[str] = []
    for top in range(0, height, chunks[1]):
        for left in range(0, width, chunks[0]):
            block = (left, top, min(left + chunks[0], width), min(top + chunks[1], height))
            _paint_block(picture, source, block, damaged)
    if damaged:
        logging.getLogger(__name__).warning(
            "%s: %d places of the overview are unreadable and shown white; the first: %s",
            slide.path,
            len(damaged),
            damaged[0],
        )
    return picture, slide.width / width


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


_MAX_OVERVIEW = 8e6  # px; tissue is found on 25 mm x 25 mm at 9 um/px, in 400 MB


def _overview_scale(slide: Slide, max_px: int | None, mpp: float | None) -> float:
    if max_px is not None:
        wishes = [1.0, max(slide.width, slide.height) / max_px]
    else:
        wishes = [1.0, math.sqrt(slide.width * slide.height / _MAX_OVERVIEW)]
    if mpp is not None:
        wishes.append(mpp / known_mpp(slide))
    return max(wishes)


class _Pyramid(NamedTuple):
    """A level of a slide as an overview sees it."""

    slide: Slide
    level: int
    steps: tuple[float, float]  # level px per overview px


def _paint_block(picture: Rgb, source: _Pyramid, block: Block, damaged: list[str]) -> None:
    """Read a block of the overview into the picture; around damage, smaller and smaller ones."""
    left, top, right, bottom = block
    try:
        picture[top:bottom, left:right] = _overview_block(source, block, 1.0)
        return
    except UnreadableTile as error:
        failure = str(error)
    if max((right - left) * source.steps[0], (bottom - top) * source.steps[1]) > 128:
        middle_x, middle_y = (left + right + 1) // 2, (top + bottom + 1) // 2
        for part in (
            (left, top, middle_x, middle_y),
            (middle_x, top, right, middle_y),
            (left, middle_y, middle_x, bottom),
            (middle_x, middle_y, right, bottom),
        ):
            if part[2] > part[0] and part[3] > part[1] and part != block:
                _paint_block(picture, source, part, damaged)
        if right - left > 1 or bottom - top > 1:
            return
    try:
        picture[top:bottom, left:right] = _overview_block(source, block, 0.0)
    except UnreadableTile:
        damaged.append(failure)


def _overview_block(source: _Pyramid, block: Block, reach: float) -> Rgb:
    slide, level, steps = source
    left, top, right, bottom = block
    window = (left * steps[0], top * steps[1], right * steps[0], bottom * steps[1])
    end_x, end_y = (side / slide.downsamples[level] for side in (slide.width, slide.height))
    wide = (  # the filter reaches one step further, so that blocks join without a seam
        max(window[0] - reach * steps[0], 0.0),
        max(window[1] - reach * steps[1], 0.0),
        min(window[2] + reach * steps[0], end_x),
        min(window[3] + reach * steps[1], end_y),
    )
    picture, outer = _read_window(slide, level, wide)
    x, y = outer[0] - wide[0], outer[1] - wide[1]
    box = (window[0] + x, window[1] + y, min(window[2] + x, outer[2]), min(window[3] + y, outer[3]))
    size = (right - left, bottom - top)
    return np.array(picture.resize(size, Image.Resampling.BILINEAR, box=box))


def _read_window(slide: Slide, level: int, window: Box) -> tuple[Image.Image, Box]:
    """RGB that covers a window (left, top, right, bottom in level px), and the window in its px."""
    x, origin_x = _anchor(slide, level, window[0], slide.bounds.x)
    y, origin_y = _anchor(slide, level, window[1], slide.bounds.y)
    columns = math.ceil(window[2] - origin_x - 1e-6)
    rows = math.ceil(window[3] - origin_y - 1e-6)
    picture = Image.fromarray(slide.read(x, y, level, columns, rows))
    left, top = max(window[0] - origin_x, 0.0), max(window[1] - origin_y, 0.0)
    right, bottom = min(window[2] - origin_x, columns), min(window[3] - origin_y, rows)
    return picture, (left, top, right, bottom)


def _anchor(slide: Slide, level: int, position: float, corner: int) -> tuple[int, float]:
    """The level-0 px to ask for, and the level px at which OpenSlide then begins.

    OpenSlide takes whole level-0 px and divides them by its own downsample; where the quotient is
    no whole level px it blends two of them. Of the positions within one level px before the
    window this is the one that blends least.

    Args:
        slide: An open slide.
        level: Of the window.
        position: Left or top edge of the window, level px.
        corner: That of the slide's bounds, level-0 px.
    """
    if slide.vendor == "leica":
        return _leica_anchor(slide, level, position, corner)
    downsample = slide.openslide_downsamples[level]
    last = math.floor((position + 1e-6) * downsample)
    first = min(last, math.ceil((position - 1) * downsample))

    def blend(candidate: int) -> float:
        quotient = candidate / downsample
        return abs(quotient - round(quotient))

    best = min(range(last, first - 1, -1), key=blend)
    return best, float(round(best / downsample)) if blend(best) < 1e-4 else best / downsample


def _leica_anchor(slide: Slide, level: int, position: float, corner: int) -> tuple[int, float]:
    """As `_anchor`, of Leica slides, where OpenSlide (4.0) blends nothing but cuts fractions off.

    It lays each level at the whole part of corner / downsample, so coarse levels lie up to one of
    their px off level 0, and it begins to read at the whole part of what lies between the corner
    and the quotient, which left of the corner means rounding up. Both are undone; of several
    scanned areas exactly for the one at the corner of the bounds.
    """
    downsample, true = slide.openslide_downsamples[level], slide.downsamples[level]
    laid = corner // true
    cut = corner / true - laid
    begin = math.floor(position - cut + 1e-6)
    if begin >= laid:
        ask = math.ceil(begin * downsample)
        ask += ask / downsample < begin  # where the product was rounded
    else:
        ask = math.floor(begin * downsample)
        ask -= ask / downsample > begin
    return ask, begin + cut


def _resample(picture: Image.Image, box: Box, side: int) -> Rgb:
    left, top = round(box[0]), round(box[1])
    own = (left, top, left + side, top + side)
    if all(abs(edge - whole) < 1e-6 for edge, whole in zip(box, own, strict=True)):
        return np.array(picture.crop(own))
    return np.array(picture.resize((side, side), Image.Resampling.BILINEAR, box=box))
