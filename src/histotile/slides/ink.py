"""Colours that no stain makes: pen ink on the glass, black padding and slide edges."""

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def find_ink(rgb: Rgb) -> Mask:
    """Where a picture shows green, blue, red or black ink, pixel by pixel.

    The rules lie outside the wedge of haematoxylin (hue 235-290 degrees), eosin and blood
    (300-355, saturation below 0.75) and DAB (15-40, dark): green never occurs in them, blue ink
    has more green than red, or is bluer or more saturated than nuclei, red ink is more saturated
    than blood, and black ink is neutral and too dark for a shadow.

    Args:
        rgb: uint8 (height, width, 3).
    """
    blocks = [_ink(rgb[top : top + 1024]) for top in range(0, len(rgb), 1024)]  # bounded memory
    return np.concatenate(blocks) if blocks else np.zeros(rgb.shape[:2], np.bool_)


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
