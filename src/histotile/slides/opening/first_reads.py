"""The first reads of a slide: whether every level reads, and what its background is."""

import numpy as np

from histotile.errors import HistotileError
from histotile.slides.diagnosis import AGAIN, missing_pixels
from histotile.slides.slide import Slide, UnreadableTile
from histotile.slides.tissue.ink import lowest_and_highest


def read_everywhere(slide: Slide) -> list[str]:
    """Remarks on low levels and background, after reading five windows of every level.

    Raises:
        HistotileError: A level does not read, or the file is cut short.
    """
    return _remarks(slide, _sample_levels(slide))


def _sample_levels(slide: Slide) -> float:
    """Share of almost black px in the windows of the coarsest level, after reading all levels."""
    lacking = missing_pixels(slide.path)
    if lacking:
        raise HistotileError(slide.path, lacking, AGAIN)
    dark = 0.0
    for level in range(len(slide.level_sizes)):
        try:
            dark = float(np.mean([_dark(slide, level, *place) for place in _PLACES]))
        except UnreadableTile as error:
            message = str(error.__cause__)
            who = "the decoder" if slide.reader == "image" else "OpenSlide"
            raise HistotileError(
                slide.path,
                f"level {level} opens but its pixels do not read; {who} says: {message}",
                AGAIN,
            ) from error
    return dark


_PLACES = ((0.5, 0.5), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
_WINDOW_PX = 256


def _dark(slide: Slide, level: int, right: float, down: float) -> float:
    downsample = slide.downsamples[level]
    bounds = slide.bounds
    width = max(1, min(_WINDOW_PX, int(bounds.width / downsample)))
    height = max(1, min(_WINDOW_PX, int(bounds.height / downsample)))
    x = bounds.x + round(right * (bounds.width - width * downsample))
    y = bounds.y + round(down * (bounds.height - height * downsample))
    rgba = np.asarray(slide.read_rgba(x, y, level, width, height))
    highest = lowest_and_highest(rgba)[1]
    return float(np.mean((rgba[..., 3] > 0) & (highest < 40)))


def _remarks(slide: Slide, dark: float) -> list[str]:
    remarks = []
    longest = max(slide.width, slide.height)
    coarsest = max(d for k, d in enumerate(slide.downsamples) if not slide.left_out(k))
    if longest / coarsest > 20000:
        remarks.append(
            f"low levels are missing (coarsest downsample {coarsest:g} of "
            f"{longest} px): overviews are slow to make"
        )
    if dark > 0.5:
        remarks.append("the background is black: fluorescence or padding, not brightfield glass")
    return remarks
