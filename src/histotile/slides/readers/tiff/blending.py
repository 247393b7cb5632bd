"""A window of a level at a fraction of a px, as OpenSlide's cairo and pixman paint it.

They paint the tiles one after the other, the last first, each moved by bilinear interpolation with
nothing around it, adding what fits under full opacity (operator SATURATE), in single precision,
and round the result of each tile down to 8 bits.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from histotile.slides.readers.tiff.jit import compiled

Rgb = NDArray[np.uint8]

ONE = np.float32(1)
INVERSE = np.float32(1) / np.float32(255)


def blended(
    block: Rgb, corner: tuple[int, int], level: tuple[int, int, int, int], shift: tuple[int, int]
) -> Rgb:
    """RGB (height, width, 3) on white of the window that begins `shift` after `corner`.

    Args:
        block: (height + 1, width + 1, 3): the level's px from `corner` on; what lies outside of
            the level counts for nothing.
        corner: x, y in the level, px.
        level: Width and height of the level and of its tiles, px.
        shift: x, y in 1/65536 px, 0-65535.
    """
    out = np.empty((block.shape[0] - 1, block.shape[1] - 1, 3), np.uint8)
    x, y = np.float32(shift[0] / 65536), np.float32(shift[1] / 65536)
    weights = np.array([(ONE - x) * (ONE - y), x * (ONE - y), (ONE - x) * y, x * y], np.float32)
    _blend(block, out, corner[0], corner[1], np.array(level, np.int64), weights)
    return out


@njit
def _byte(value):  # type: ignore[no-untyped-def]
    whole = int(value * np.float32(256))
    return whole - (whole >> 8)


@compiled
def _blend(block, out, left, top, level, weights):  # type: ignore[no-untyped-def]
    """Fill `out`: first as if there was but one tile, then again where it ends."""
    rows, columns = out.shape[:2]
    across, down, tile_width, tile_height = level[0], level[1], level[2], level[3]
    flat, into = block.reshape(rows + 1, -1), out.reshape(rows, -1)
    a, b, c, d = weights[0], weights[1], weights[2], weights[3]
    every = np.arange(columns)
    x = every + left
    joints = every[(x < 0) | (x >= across - 1) | ((x + 1) % tile_width == 0)]
    for row in range(rows):
        y = top + row
        inside = 0 <= y < down - 1 and (y + 1) % tile_height != 0
        if inside:
            upper, lower = flat[row], flat[row + 1]
            for k in range(3 * columns):
                seen = (
                    np.float32(upper[k]) * INVERSE * a
                    + np.float32(upper[k + 3]) * INVERSE * b
                    + np.float32(lower[k]) * INVERSE * c
                    + np.float32(lower[k + 3]) * INVERSE * d
                )
                whole = int(min(seen, ONE) * np.float32(256))
                into[row, k] = whole - (whole >> 8)
        for column in joints if inside else every:
            _paint(block, out, (row, column), (y, left + column), level, weights)


@njit
def _paint(block, out, place, of_level, level, weights):  # type: ignore[no-untyped-def]
    """One px between up to four tiles: the one to the lower right first.

    `place` is its row and column in the window, `of_level` in the level.
    """
    (row, column), (y, x) = place, of_level
    painted = np.zeros(4, np.int64)
    seen = np.empty(4, np.float32)
    joint_x, joint_y = (x + 1) % level[2] == 0, (y + 1) % level[3] == 0
    for lower in range(1 if joint_y else 0, -1, -1):
        for right in range(1 if joint_x else 0, -1, -1):
            seen[:] = 0
            for tap in range(4):
                i, j = tap // 2, tap % 2
                if (joint_y and i != lower) or (joint_x and j != right):
                    continue
                if 0 <= x + j < level[0] and 0 <= y + i < level[1]:
                    for k in range(3):
                        value = np.float32(block[row + i, column + j, k]) * INVERSE
                        seen[k] += value * weights[tap]
                    seen[3] += weights[tap]
            _saturate(painted, seen)
    _lay_on_white(out, row, column, painted)


@njit
def _saturate(painted, seen):  # type: ignore[no-untyped-def]
    free = ONE - np.float32(painted[3]) * INVERSE
    share = ONE
    if seen[3] != 0:
        share = min(max(free / seen[3], np.float32(0)), ONE)
    for k in range(4):
        there = np.float32(painted[k]) * INVERSE
        painted[k] = _byte(min(seen[k] * share + there, ONE))


@njit
def _lay_on_white(out, row, column, painted):  # type: ignore[no-untyped-def]
    """The rounding of openslide-python (which divides by alpha) and of PIL's alpha_composite."""
    alpha = painted[3]
    if alpha == 0:
        out[row, column] = 255
        return
    coefficient = alpha * 255 * 255 * 128 // (255 * 255)
    for k in range(3):
        value = min(255 * painted[k] // alpha, 255)
        sum_ = value * coefficient + 255 * (255 * 128 - coefficient) + (0x80 << 7)
        out[row, column, k] = (((sum_ >> 8) + sum_) >> 8) >> 7
