"""What a slide shows, small enough to keep, and whether two slides show the same."""

import base64
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from histotile.slides.overview import read_overview
from histotile.slides.slide import Slide

SIDE = 64  # px of the picture, whatever the proportions of the slide
MOST_LEVEL_PX = 1 << 26  # of the level it is made of: a larger one would take long to read
MOST_DIFFERENT = 0.04  # of the contrast: other encodings stay below 0.02, other tissue above 0.07
LEAST_CONTRAST = 3.0  # grey levels: below, nothing is seen but glass
DARK = 40  # grey levels: black frames, which all slides of a scanner share
_WAYS = 8  # to turn and mirror a picture
MOST_STRETCHED = 0.02  # difference of proportions


def take_picture(slide: Slide) -> str | None:
    """The scanned area in 64 x 64 grey px, as base64; None without low levels, or of blank glass.

    Other compressions, formats and pyramids of a slide change it by a few grey levels.
    """
    across, down = slide.level_sizes[-1]
    if across * down > MOST_LEVEL_PX:
        return None
    overview, downsample = read_overview(slide, max_px=8 * SIDE)
    x, y, width, height = (side / downsample for side in slide.bounds)
    box = (x, y, min(x + width, overview.shape[1]), min(y + height, overview.shape[0]))
    grey = Image.fromarray(overview).convert("L")
    small = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX, box=box))
    blank = small.std() < LEAST_CONTRAST
    return None if blank else base64.b64encode(small.tobytes()).decode()


def find_same(
    pictures: Sequence[str], proportions: Sequence[float]
) -> list[tuple[int, int, float]]:
    """Pairs that show the same, (first, second, difference as a share of the contrast).

    Also where one is turned or mirrored, as slides come out of some programs.

    Args:
        pictures: Made by `take_picture`.
        proportions: Width / height of each slide's scanned area.
    """
    if not pictures:
        return []
    grey = np.stack([np.frombuffer(base64.b64decode(p), np.uint8) for p in pictures])
    grey = grey.astype(np.float32)
    centred = grey - grey.mean(axis=1, keepdims=True)
    power = (centred**2).mean(axis=1)
    found = []
    for first in range(len(grey) - 1):
        rest = slice(first + 1, None)
        turned = _turned(grey[first])
        inner = centred[rest] @ (turned - grey[first].mean()).T / SIDE**2
        squares = power[first] + power[rest, None] - 2 * inner
        most = np.maximum(power[first], power[rest, None])
        least: dict[int, float] = {}
        for other, way in np.argwhere(squares < (2 * MOST_DIFFERENT) ** 2 * most).tolist():
            second = first + 1 + other
            shape = proportions[first] if way < _WAYS // 2 else 1 / proportions[first]
            if abs(shape / proportions[second] - 1) <= MOST_STRETCHED:
                difference = _difference(turned[way], grey[second])
                least[second] = min(difference, least.get(second, np.inf))
        found += [(first, k, d) for k, d in sorted(least.items()) if d <= MOST_DIFFERENT]
    return found


def _turned(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """(8, px): a picture turned and mirrored in all ways; in the last four it lies on its side."""
    upright = grey.reshape(SIDE, SIDE)
    ways = [
        mirrored[::flip]
        for side in (upright, upright.T)
        for mirrored in (side, side[:, ::-1])
        for flip in (1, -1)
    ]
    return np.stack(ways).reshape(_WAYS, -1)


def _difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Standard deviation of a - b as a share of the contrast; infinite where there is none."""
    seen = ~_grown(((a <= DARK) & (b <= DARK)).reshape(SIDE, SIDE)).ravel()
    if seen.mean() < 0.1:
        return np.inf
    contrast = max(float(a[seen].std()), float(b[seen].std()))
    return float((a[seen] - b[seen]).std()) / contrast if contrast >= LEAST_CONTRAST else np.inf


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """With the px beside it, which are grey where a frame ends within them."""
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown
