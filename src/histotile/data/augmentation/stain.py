"""Changing the strength of haematoxylin and eosin in a tile, fast."""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
_LEVELS = 256.0

# Optical density (R, G, B) of haematoxylin, eosin and DAB, which here stands for the rest:
# Ruifrok and Johnston, Anal Quant Cytol Histol 2001, table 1; normalised to length 1.
_RUIFROK = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))


@cache
def stain_vectors() -> NDArray[np.float64]:
    """Optical density of haematoxylin, eosin and a residual: rows of unit length, (3, 3)."""
    rows = np.array(_RUIFROK)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def change_stain(rgb: Rgb, gain: NDArray[np.float64], shift: NDArray[np.float64]) -> Rgb:
    """The tile as if each stain had been taken up `gain` times as strongly, plus `shift`.

    OD' = OD (M^-1 diag(gain) M) + shift M, with OD = -ln((rgb + 1) / 256) and the stain vectors as
    the rows of M: one table, one 3 x 4 matrix and one exponential per pixel instead of a round
    trip through stain space. Gain 1 and shift 0 return exactly the same pixels.

    Args:
        rgb: uint8 (height, width, 3).
        gain: Factor of haematoxylin, eosin and the residual.
        shift: Natural-log optical density added to each, in units of the stain vector. It also
            tints bare glass.
    """
    vectors = stain_vectors()
    mixing = np.linalg.inv(vectors) @ np.diag(gain) @ vectors
    # In terms of L = ln((rgb + 1) / 256) = -OD; the factor 256 goes into the constant column.
    constant = math.log(_LEVELS) - shift @ vectors
    matrix = np.hstack([mixing.T, constant[:, None]]).astype(np.float32)
    transmitted = cv2.exp(cv2.transform(cv2.LUT(rgb, _log_table()), matrix))
    return np.asarray(cv2.addWeighted(transmitted, 1, transmitted, 0, -1, dtype=cv2.CV_8U))


@cache
def _log_table() -> NDArray[np.float32]:
    return np.asarray(np.log((np.arange(256) + 1) / _LEVELS), np.float32)
