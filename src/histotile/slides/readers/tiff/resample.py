"""Pillow's antialiased bilinear filter for RGB, bit by bit, in a fraction of its time.

Importing this compiles or loads machine code: import it where a picture really is resampled.
"""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from histotile.slides.readers.tiff.jit import compiled

Rgb = NDArray[np.uint8]
Box = tuple[float, float, float, float]  # left, top, right, bottom
Weights = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]


def resampled(rgb: Rgb, box: Box, width: int, height: int) -> Rgb:
    """RGB (height, width, 3): what a box of a picture shows, at another size.

    The same bytes as `PIL.Image.resize((width, height), BILINEAR, box=box)`, which resamples rows
    first and columns then. (Pillow 13 turns this order round for pictures that lose much more
    height than width, which moves some px by 1; here it never is.)

    Args:
        rgb: (rows, columns, 3).
        box: Its part that is shown, px; not beyond its edges.
        width: Px.
        height: Px.
    """
    across = _weights(rgb.shape[1], box[0], box[2], width)
    down = _weights(rgb.shape[0], box[1], box[3], height)
    left, right = _reach(across)
    top, bottom = _reach(down)
    # Whole rows are what processors add fastest, so rows are resampled as columns, lying down.
    lying = cv2.transpose(rgb[top:bottom, left:right])
    narrow = np.empty((width, bottom - top, 3), np.uint8)
    _blend_rows(_flat(lying), left, *across, _flat(narrow))
    upright = cv2.transpose(narrow)
    shown = np.empty((height, width, 3), np.uint8)
    _blend_rows(_flat(upright), top, *down, _flat(shown))
    return shown


def _reach(weights: Weights) -> tuple[int, int]:
    starts, counts, _ = weights
    return int(starts[0]), int(starts[-1] + counts[-1])


def _flat(rgb: Any) -> Rgb:
    picture: Rgb = rgb.reshape(rgb.shape[0], -1)
    return picture


@compiled
def _weights(size: int, first: float, last: float, count: int) -> Weights:
    """Of each new px: its first old px, how many they are, and their weights in 1 / 2**22.

    Args:
        size: Old px there are.
        first: Where the new ones begin, old px; in single precision, as Pillow takes it.
        last: Where they end.
        count: New px.
    """
    begin = np.float32(first)
    scale = np.float64(np.float32(last) - begin) / count
    reach = max(scale, 1.0)
    starts, counts = np.empty(count, np.int64), np.empty(count, np.int64)
    weights = np.zeros((count, math.ceil(reach) * 2 + 5), np.int32)  # 0 beyond the last
    shares = np.empty(weights.shape[1])
    for i in range(count):
        centre = np.float64(begin) + (i + 0.5) * scale
        start = max(int(centre - reach + 0.5), 0)
        taps = min(int(centre + reach + 0.5), size) - start
        total = 0.0
        for k in range(taps):
            shares[k] = max(1.0 - abs((k + start - centre + 0.5) * (1.0 / reach)), 0.0)
            total += shares[k]
        for k in range(taps):
            share = shares[k] / total if total != 0.0 else 0.0
            weights[i, k] = int(0.5 + share * 4194304)
        starts[i], counts[i] = start, taps
    return starts, counts, weights


@compiled
def _blend_rows(
    rows: Rgb,
    origin: int,
    starts: NDArray[np.int64],
    counts: NDArray[np.int64],
    weights: NDArray[np.int32],
    blended: Rgb,
) -> None:
    """Fill the blended rows, each from a few rows; the first row given is number `origin`."""
    sums = np.empty(rows.shape[1], np.int32)
    for i in range(blended.shape[0]):
        start, taps, weight, row = starts[i] - origin, counts[i], weights[i], blended[i]
        if taps <= 2:
            _blend_two(rows, start, weight, row)
        elif taps <= 4:
            _blend_four(rows, start, weight, row)
        else:
            sums[:] = 2097152  # one half
            for first in range(0, taps, 4):
                _add_four(rows, start + first, weight[first:], sums)
            for x in range(row.size):
                row[x] = np.uint8(sums[x] >> 22)


# The casts keep sums in 32 bits (Numba would widen them to 64), so that processors take many at
# once. Rows beyond the last weigh nothing; they only must be there.


@compiled
def _row(rows: Rgb, number: int) -> NDArray[np.uint8]:
    row: NDArray[np.uint8] = rows[min(number, rows.shape[0] - 1)]
    return row


@compiled
def _blend_two(rows: Rgb, start: int, weight: NDArray[np.int32], row: NDArray[np.uint8]) -> None:
    a, b = _row(rows, start), _row(rows, start + 1)
    of_a, of_b = weight[0], weight[1]
    for x in range(row.size):
        total = np.int32(np.int32(2097152) + np.int32(of_a * np.int32(a[x])))
        row[x] = np.uint8(np.int32(total + np.int32(of_b * np.int32(b[x]))) >> 22)


@compiled
def _blend_four(rows: Rgb, start: int, weight: NDArray[np.int32], row: NDArray[np.uint8]) -> None:
    a, b = _row(rows, start), _row(rows, start + 1)
    c, d = _row(rows, start + 2), _row(rows, start + 3)
    of_a, of_b, of_c, of_d = weight[0], weight[1], weight[2], weight[3]
    for x in range(row.size):
        total = np.int32(np.int32(2097152) + np.int32(of_a * np.int32(a[x])))
        total = np.int32(total + np.int32(of_b * np.int32(b[x])))
        total = np.int32(total + np.int32(of_c * np.int32(c[x])))
        row[x] = np.uint8(np.int32(total + np.int32(of_d * np.int32(d[x]))) >> 22)


@compiled
def _add_four(rows: Rgb, start: int, weight: NDArray[np.int32], sums: NDArray[np.int32]) -> None:
    a, b = _row(rows, start), _row(rows, start + 1)
    c, d = _row(rows, start + 2), _row(rows, start + 3)
    of_a, of_b, of_c, of_d = weight[0], weight[1], weight[2], weight[3]
    for x in range(sums.size):
        total = np.int32(sums[x] + np.int32(of_a * np.int32(a[x])))
        total = np.int32(total + np.int32(of_b * np.int32(b[x])))
        total = np.int32(total + np.int32(of_c * np.int32(c[x])))
        sums[x] = np.int32(total + np.int32(of_d * np.int32(d[x])))
