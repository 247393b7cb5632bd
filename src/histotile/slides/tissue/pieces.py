"""The connected pieces of one colour of an overview, and the form of each."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
LEAST_PX = 40


class Pieces(NamedTuple):
    """The pieces of a mask: which each px belongs to, which are large, and the form of those."""

    labels: NDArray[np.int32]
    large: NDArray[np.intp]
    area: Floats  # px
    uneven: Floats  # widest place over mean width: 1 for a stroke, 2 for a disc
    ragged: Floats  # log of the spread of the widths
    long: Floats  # log of length over width
    texture: Floats  # log of the mean local SD of colour inside
    glass: Floats  # share of the edge that glass lies beyond
    depth: NDArray[np.float32]  # px from the edge, of each px


def measure_pieces(mask: Mask, texture: NDArray[np.float32], glass: Mask) -> Pieces:
    """Form of the connected pieces of a mask of at least 40 px.

    Args:
        mask: Where the colour is.
        texture: Local SD of colour.
        glass: Glass and what lies next to it.
    """
    found = mask.astype(np.uint8)
    count, numbers, facts, _ = cv2.connectedComponentsWithStats(found)
    labels = np.asarray(numbers, np.int32)
    area = facts[:, cv2.CC_STAT_AREA].astype(float)
    area[0] = 0
    large = np.flatnonzero(area >= LEAST_PX)
    padded = cv2.distanceTransform(np.pad(found, 1), cv2.DIST_L2, 5)
    depth = np.asarray(padded[1:-1, 1:-1], np.float32)
    lengths = np.zeros(count)
    for outline in cv2.findContours(found, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)[0]:
        x, y = outline[0, 0]
        lengths[labels[y, x]] += cv2.arcLength(cv2.approxPolyDP(outline, 1.0, True), True) + 4
    low, high, most = (half[large] for half in _widths(depth, labels, count))
    width = 2 * area[large] / lengths[large]
    ragged = np.log((high - 0.3) / np.maximum(low - 0.3, 0.5))
    uneven, long = (2 * most - 1) / width, np.log(lengths[large] / 2 / width)
    inside, edge = mask & (depth > 2), mask & (depth < 1.5)
    rough = _means(labels, texture, inside, count)[large]
    free = _means(labels, glass, edge, count)[large]
    return Pieces(
        labels, large, area[large], uneven, ragged, long, np.log(rough + 0.2), free, depth
    )


def _means(labels: NDArray[np.int32], values: NDArray[Any], where: Mask, count: int) -> Floats:
    """Mean of the values of each piece; 0 where it has no px."""
    own = labels[where]
    sums = np.bincount(own, values[where], minlength=count)
    return np.asarray(sums / np.maximum(np.bincount(own, minlength=count), 1), np.float64)


def _widths(depth: NDArray[np.float32], labels: NDArray[np.int32], count: int) -> list[Floats]:
    """Half-widths (px) of each piece along its middle: at 20, 85 and 95 % of it."""
    top = cv2.dilate(depth, np.ones((3, 3)))
    middle = (depth >= top - 0.35) & (depth > 0)
    piece, half = labels[middle], depth[middle]
    order = np.lexsort((half, piece))
    half = half[order]
    last = np.cumsum(np.bincount(piece, minlength=count))
    first = np.concatenate([[0], last[:-1]])
    places = [first + (f * np.maximum(last - first - 1, 0)).astype(int) for f in (0.2, 0.85, 0.95)]
    half = np.append(half, 0)  # where there is no piece
    return [half[np.minimum(p, len(half) - 1)].astype(float) for p in places]
