"""What OpenSlide's properties say of a slide, as numbers."""

import math
from collections.abc import Mapping
from typing import NamedTuple


class Bounds(NamedTuple):
    """The rectangle that holds the scanned tissue (level-0 px)."""

    x: int
    y: int
    width: int
    height: int


def positive(text: str | None) -> float | None:
    """The number in a property; None unless it is finite and above 0."""
    try:
        value = float(text) if text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def property_mpp(properties: Mapping[str, str]) -> float | None:
    """Mean of `openslide.mpp-x` and `-y` (um per level-0 px); None unless both are known."""
    x, y = (positive(properties.get(f"openslide.mpp-{axis}")) for axis in "xy")
    return (x + y) / 2 if x and y else None


def find_bounds(properties: Mapping[str, str], width: int, height: int) -> Bounds:
    """`openslide.bounds-*` as far as it lies inside a slide of this size, else the whole slide."""
    names = ("x", "y", "width", "height")
    values = [properties.get(f"openslide.bounds-{name}") for name in names]
    whole = Bounds(0, 0, width, height)
    try:
        x, y, w, h = (int(value or "") for value in values)
    except ValueError:
        return whole
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + w, width), min(y + h, height)
    return Bounds(left, top, right - left, bottom - top) if right > left and bottom > top else whole
