"""Tissue on slides without colours, where only its density tells it from glass."""

import cv2
import numpy as np
from numpy.typing import NDArray

from histotile.slides.tissue.ink import lowest_and_highest

Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]

GREY_SPREAD = 4  # between R, G and B of a px: what JPEG makes of grey
LEAST_DENSITY = 0.04  # optical density (base 10) above the glass below which nothing is tissue


def is_grey(rgb: NDArray[np.uint8]) -> bool:
    """Whether a picture (..., 3) shows something, and that in grey only.

    >>> import numpy as np
    >>> is_grey(np.repeat(np.uint8([[240], [120], [90]]), 3, axis=1))
    True
    """
    low, high = lowest_and_highest(rgb)
    if not low.size or float(np.mean(high - low > GREY_SPREAD)) > 0.001:
        return False
    return bool(np.mean(np.abs(low.astype(np.int16) - np.int16(np.median(low))) > 30) > 0.005)


def find_dense(grey: NDArray[np.uint8]) -> Mask:
    """Where a smoothed grey picture (height, width) is denser than its glass.

    Parted by Otsu's threshold on optical density. The glass is what is brightest, apart from
    exact white, which is padding as long as there is other glass.
    """
    scanned = grey[grey < 255] if np.mean(grey < 255) > 0.002 else grey
    glass = float(np.percentile(scanned, 98))
    density = -np.log10(np.maximum(grey, 1) / max(glass, 1.0))
    scaled = np.clip(density * 127, 0, 255).astype(np.uint8)  # 2 decades
    threshold, _ = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return np.asarray(density > max(threshold / 127, LEAST_DENSITY))
