"""Which window of a level covers a square or a box, as OpenSlide counts positions."""

import math
from typing import NamedTuple

from histotile.slides.slide import Slide

Box = tuple[float, float, float, float]  # left, top, right, bottom


class Span(NamedTuple):
    """One axis of a window, and the part of it that is wanted."""

    begin: int  # level-0 px, to be asked for
    px: int  # of the level
    first: float  # begin and end of what is wanted, px of the window
    last: float


class Window(NamedTuple):
    """What `Slide.read` is to be asked for, and the box in it that is wanted."""

    x: int  # level-0 px
    y: int
    columns: int  # level px
    rows: int
    box: Box  # px of the window


def window(slide: Slide, level: int, box: Box) -> Window:
    """The window that covers a box.

    Args:
        slide: An open slide.
        level: Of the window.
        box: Level px.
    """
    across = span(slide, level, 0, box[0], box[2])
    down = span(slide, level, 1, box[1], box[3])
    inner = (across.first, down.first, across.last, down.last)
    return Window(across.begin, down.begin, across.px, down.px, inner)


def square(slide: Slide, level: int, x: int, y: int, side: float) -> Window:
    """The window that covers a square.

    Args:
        slide: An open slide.
        level: Of the window.
        x: Left edge of the square, level-0 px.
        y: Top edge.
        side: Level px.
    """
    left, top = x / slide.downsamples[level], y / slide.downsamples[level]
    return window(slide, level, (left, top, left + side, top + side))


def span(slide: Slide, level: int, axis: int, first: float, last: float) -> Span:
    """One axis of the window that covers what lies between two positions.

    Args:
        slide: An open slide.
        level: Of the window.
        axis: 0: x, 1: y.
        first: Level px.
        last: Level px.
    """
    downsample = slide.openslide_downsamples[level]
    if slide.vendor == "leica":
        corner, true = slide.bounds[axis], slide.downsamples[level]
        begin, origin = _leica_anchor(first, corner, downsample, true)
    else:
        begin, origin = _anchor(first, downsample)
    px = math.ceil(last - origin - 1e-6)
    return Span(begin, px, max(first - origin, 0.0), min(last - origin, px))


def _anchor(position: float, downsample: float) -> tuple[int, float]:
    """The level-0 px to ask for, and the level px at which OpenSlide then begins.

    OpenSlide takes whole level-0 px and divides them by its own downsample; where the quotient is
    no whole level px it blends two of them. Of the positions within one level px before the
    window this is the one that blends least. Left of and above the slide it cuts fractions off.

    Args:
        position: Left or top edge of the window, level px.
        downsample: As OpenSlide counts it.
    """
    whole = math.floor(position + 1e-6)
    if whole < 0:
        ask = math.ceil(-whole * downsample)
        ask += int(ask / downsample) < -whole  # where the product was rounded
        return -ask, float(whole)
    last = math.floor((position + 1e-6) * downsample)
    first = min(last, math.ceil((position - 1) * downsample))
    best, least = last, 1.0
    for candidate in range(last, first - 1, -1):
        quotient = candidate / downsample
        blend = abs(quotient - round(quotient))
        if blend < least:
            best, least = candidate, blend
            if blend == 0.0:
                break
    quotient = best / downsample
    return best, float(round(quotient)) if least < 1e-4 else quotient


def _leica_anchor(
    position: float, corner: int, downsample: float, true: float
) -> tuple[int, float]:
    """As `_anchor`, of Leica slides, where OpenSlide (4.0) blends nothing but cuts fractions off.

    It lays each level at the whole part of corner / downsample, so coarse levels lie up to one of
    their px off level 0, and it begins to read at the whole part of what lies between the corner
    and the quotient, which left of the corner means rounding up. Both are undone; of several
    scanned areas exactly for the one at the corner of the bounds.
    """
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
