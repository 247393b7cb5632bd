"""The whole slide in one picture, in memory that does not grow with it."""

import logging
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from histotile.slides.readers.tiff.reduced_jpeg import FACTOR, ShrunkLevel, shrunk_level
from histotile.slides.slide import Slide, UnreadableTile
from histotile.slides.tile_reader import best_level, known_mpp
from histotile.slides.windows import Box, window

Rgb = NDArray[np.uint8]
Block = tuple[int, int, int, int]  # left, top, right, bottom


def read_overview(
    slide: Slide, max_px: int | None = None, mpp: float | None = None, block_px: int | None = None
) -> tuple[Rgb, float]:
    """RGB of the whole slide, and how many level-0 px one of its px stands for.

    Read block by block from the best level, so that memory does not grow with the slide even
    where low levels are missing; without `max_px` the picture is at most 8 Mpx. It is resampled by
    Pillow's antialiased bilinear filter; where it shrinks very far, from JPEG decoded at a quarter
    of its size. What cannot be read stays white and is counted in the log.

    Args:
        slide: An open slide.
        max_px: Longest side, px.
        mpp: Scale, um/px. With both, the coarser holds. Never finer than level 0.
        block_px: Longest side of what is read at once, level px; unless given, a level of up to
            4096 px is read as one, a larger one by 2048 px.

    Raises:
        HistotileError: `mpp` is asked of a slide whose mpp is unknown.
    """
    scale = _overview_scale(slide, max_px, mpp)
    level = best_level(slide, scale)
    width, height = (max(1, round(side / scale)) for side in (slide.width, slide.height))
    downsample = slide.downsamples[level]
    steps = (slide.width / width / downsample, slide.height / height / downsample)
    source = _Pyramid(slide, level, steps, shrunk_level(slide, level, min(steps)))
    picture = np.full((height, width, 3), 255, np.uint8)
    blocks = list(_blocks(source, width, height, block_px))
    _announce(source, blocks)
    damaged: list[str] = []
    for block in blocks:
        _paint_block(picture, source, block, damaged)
    if damaged:
        logging.getLogger(__name__).warning(
            "%s: %d places of the overview are unreadable and shown white; the first: %s",
            slide.path,
            len(damaged),
            damaged[0],
        )
    return picture, slide.width / width


_WHOLE, _PART = 4096, 2048  # level px: the longest side of what is read at once
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
    shrunk: ShrunkLevel | None  # where the overview may be made of fewer px


def _blocks(source: _Pyramid, width: int, height: int, block_px: int | None) -> Iterator[Block]:
    if block_px is None:
        # One read from the corner: OpenSlide would place others between two px, and blend.
        small = max(source.slide.level_sizes[source.level]) < _WHOLE
        block_px = _WHOLE if small else _PART
    across, down = (max(1, int(block_px / step)) for step in source.steps)
    for top in range(0, height, down):
        for left in range(0, width, across):
            yield left, top, min(left + across, width), min(top + down, height)


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


def _boxes(source: _Pyramid, block: Block, reach: float) -> tuple[Box, Box]:
    """What a block shows, and what is to be read for it (level px)."""
    slide, level, steps, _ = source
    left, top, right, bottom = block
    inner = (left * steps[0], top * steps[1], right * steps[0], bottom * steps[1])
    end_x, end_y = (side / slide.downsamples[level] for side in (slide.width, slide.height))
    wide = (  # the filter reaches one step further, so that blocks join without a seam
        max(inner[0] - reach * steps[0], 0.0),
        max(inner[1] - reach * steps[1], 0.0),
        min(inner[2] + reach * steps[0], end_x),
        min(inner[3] + reach * steps[1], end_y),
    )
    return inner, wide


def _announce(source: _Pyramid, blocks: list[Block]) -> None:
    """Announces to the slide which windows will be read of it."""
    boxes = [_boxes(source, block, 1.0)[1] for block in blocks]
    if source.shrunk is not None:
        boxes = [box for box in boxes if not source.shrunk.holds(box)]
    windows = [window(source.slide, source.level, box)[:4] for box in boxes]
    source.slide.expect(source.level, np.array(windows, np.int64).reshape(-1, 4))


def _read(source: _Pyramid, box: Box) -> tuple[Rgb, Box, int]:
    """RGB that covers a box (level px), the box in its px, and how many level px one is."""
    if source.shrunk is not None and source.shrunk.holds(box):
        pixels = source.shrunk.read(box)
        if pixels is not None:
            return *pixels, FACTOR
    found = window(source.slide, source.level, box)
    read = source.slide.read(found.x, found.y, source.level, found.columns, found.rows)
    return read, found.box, 1


def _overview_block(source: _Pyramid, block: Block, reach: float) -> Rgb:
    inner, wide = _boxes(source, block, reach)
    pixels, outer, factor = _read(source, wide)
    x, y = outer[0] - wide[0] / factor, outer[1] - wide[1] / factor
    left, top, right, bottom = (edge / factor for edge in inner)
    box = (left + x, top + y, min(right + x, outer[2]), min(bottom + y, outer[3]))
    size = (block[2] - block[0], block[3] - block[1])
    return np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, box=box))
