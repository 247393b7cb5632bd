"""Colours of single px; ink on a tile of a slide that nobody has seen whole."""

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def ink_share(rgb: Rgb) -> float:
    """Share of a ready-made tile under ink, in doubt 0: ink is known by strokes, not by tiles.

    What counts is one large, even area of a colour outside of haematoxylin, eosin, blood and DAB.
    Stains of such colours do count; so a tile says something only beside others of its slide.

    Args:
        rgb: A tile shrunk to a quarter, uint8 (height, width, 3).
    """
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    mean, square = cv2.blur(lab, (5, 5)), cv2.blur(lab * lab, (5, 5))
    even = np.sqrt(np.maximum(square - mean * mean, 0)).sum(axis=-1) < _EVEN
    ink = _ink(rgb) & (lab[..., 0] < _PALE)
    core = cv2.morphologyEx((ink & even).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5)))
    _, pieces, facts, _ = cv2.connectedComponentsWithStats(core)
    large = facts[:, cv2.CC_STAT_AREA] >= _LARGE * core.size
    large[0] = False
    whole = cv2.dilate(large[pieces].astype(np.uint8), np.ones((5, 5))).astype(bool)
    return float((whole & ink).mean())


def find_black(rgb: Rgb) -> Mask:
    """Where a picture is nearly black: padding, frames, the dark field of fluorescence."""
    return np.asarray(lowest_and_highest(rgb)[1] < 50)


def lowest_and_highest(rgb: Rgb) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The lowest and the highest of R, G and B, each (height, width)."""
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]  # numpy.min along three is slow
    low = np.minimum(np.minimum(red, green), blue)
    return low, np.maximum(np.maximum(red, green), blue)


def saturation(rgb: Rgb) -> NDArray[np.float32]:
    """Saturation as in HSV (0-1), (height, width)."""
    low, high = lowest_and_highest(rgb)
    return np.asarray((high - low) / np.maximum(high, 1).astype(np.float32), np.float32)


def hsv(rgb: Rgb) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Hue (degrees 0-360), saturation and value (0-1), each (height, width)."""
    converted = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    hue, saturation, value = (np.asarray(p, np.float32) for p in cv2.split(converted))
    return hue, saturation, value


_EVEN = 6.0  # SD of Lab, summed: cells vary more
_PALE = 75.0  # L of glass in a greenish or dim light, and more
_LARGE = 0.08  # of a tile


def _ink(rgb: Rgb) -> Mask:
    hue, saturation, value = hsv(rgb)
    green = (hue >= 70) & (hue < 165) & (saturation > 0.15) & (value > 0.15)
    blue = (hue >= 165) & (hue < 231) & (saturation > 0.4) & (value > 0.25)
    nuclear_blue = (hue >= 231) & (hue < 252) & (value > 0.35)
    nuclear_blue &= saturation > np.where(hue < 248, np.float32(0.45), np.float32(0.78))
    red = (saturation > 0.75) & (value > 0.5)
    red &= (hue >= 350) | (hue < 14)
    black = (saturation < 0.22) & (value < 0.42)
    return np.asarray(green | blue | nuclear_blue | red | black)
