"""At what scale a level can stand to level 0, by the sizes alone."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from histotile.slides.metadata.properties import positive
from histotile.slides.readers.tiff.positions import true_downsample

Size = tuple[int, int]  # width, height, px


class LevelScale(NamedTuple):
    """What the sizes say of a level.

    Attributes:
        downsamples: Level-0 px per level px: those that fit, likeliest first. Empty if none does.
        proven: Whether the sizes alone vouch for the first; else the pixels must.
    """

    downsamples: tuple[float, ...]
    proven: bool


def level_scale(full: Size, size: Size, stated: float, tile: Size | None) -> LevelScale:
    """The downsamples that fit the sizes of level 0 and of a level.

    OpenSlide takes the mean of the quotients of widths and of heights for the downsample. Where a
    level was padded to whole tiles, as of 97792 x 221184 px the level of 3072 x 7168 px, that is
    wrong (31.3 instead of 32), and for another picture among the levels it means nothing.

    Args:
        full: Of level 0.
        size: Of the level.
        stated: Its downsample as OpenSlide states it.
        tile: Size of its compressed tiles, if it lies in tiles of one size.
    """
    sides = list(zip(full, size, strict=True))
    whole = true_downsample(full, size, stated)
    if whole.is_integer() and all(s in {f // whole, -(-f // whole)} for f, s in sides):
        return LevelScale((whole,), True)
    quotients = [f / s for f, s in sides]
    padded = _padded(full, size, tile) if tile is not None else None
    padding = () if padded is None else (padded,)
    if abs(stated - sum(quotients) / 2) > 1e-6 * stated:  # the format itself states it
        return LevelScale((stated,), True)
    most = min(f / (s - 1) if s > 1 else math.inf for f, s in sides)  # sizes were rounded
    if max(f / (s + 1) for f, s in sides) < most:
        return LevelScale((*padding, stated), True)
    near = max(quotients) / min(quotients) < _NEARLY
    return LevelScale((*padding, stated) if near else padding, False)


def tile_size(properties: Mapping[str, str], level: int) -> Size | None:
    """Width and height of a level's compressed tiles (px), where OpenSlide knows them."""
    names = (f"openslide.level[{level}].tile-{side}" for side in ("width", "height"))
    width, height = (positive(properties.get(name)) for name in names)
    return (int(width), int(height)) if width and height else None


_NEARLY = 1.05  # of two proportions: what pixels may still show to be alike


def _padded(full: Size, size: Size, tile: Size) -> float | None:
    """The whole downsample of a level padded to whole tiles; of several, a power of two."""
    if any(s % t for s, t in zip(size, tile, strict=True)):
        return None
    sides = list(zip(full, size, tile, strict=True))
    least = max(math.ceil(f / s) for f, s, _ in sides)
    most = min(math.ceil(f / (s - t)) - 1 if s > t else 1 << 30 for f, s, t in sides)
    power = 1 << max(least - 1, 0).bit_length()
    if power <= most:
        return float(power)
    return float(least) if least <= most else None
