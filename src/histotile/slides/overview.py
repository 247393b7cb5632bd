"""The whole slide in one picture, in memory that does not grow with it."""

import logging
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from histotile.slides.pixels import best_level, known_mpp
from histotile.slides.slide import Slide, UnreadableTile
from histotile.slides.windows import window

Rgb = NDArray[np.uint8]
Block = tuple[int, int, int, int]  # left, top, right, bottom


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
    inner = (left * steps[0], top * steps[1], right * steps[0], bottom * steps[1])
    end_x, end_y = (side / slide.downsamples[level] for side in (slide.width, slide.height))
    wide = (  # the filter reaches one step further, so that blocks join without a seam
        max(inner[0] - reach * steps[0], 0.0),
        max(inner[1] - reach * steps[1], 0.0),
        min(inner[2] + reach * steps[0], end_x),
        min(inner[3] + reach * steps[1], end_y),
    )
    x_0, y_0, columns, rows, outer = window(slide, level, wide)
    picture = Image.fromarray(slide.read(x_0, y_0, level, columns, rows))
    x, y = outer[0] - wide[0], outer[1] - wide[1]
    box = (inner[0] + x, inner[1] + y, min(inner[2] + x, outer[2]), min(inner[3] + y, outer[3]))
    size = (right - left, bottom - top)
    return np.array(picture.resize(size, Image.Resampling.BILINEAR, box=box))
