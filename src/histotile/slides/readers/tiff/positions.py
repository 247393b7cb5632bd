"""Where a window lies in a level, as OpenSlide places it, and which tiles it needs."""

import numpy as np
from numpy.typing import NDArray

ONE = 1 << 16  # a px in the numbers with which pixman moves pictures


def position(x: int, y: int, downsample: float) -> tuple[int, int, tuple[int, int] | None]:
    """The level px at which a window begins, and what is left of its position, in 1/65536 px.

    Left of and above the slide OpenSlide cuts fractions off. A rest of less than 1/512 px in both
    directions is none (None): then pixels are copied, else interpolated.

    Args:
        x: Level-0 px.
        y: Level-0 px.
        downsample: Level-0 px per level px, as OpenSlide counts them.
    """
    left, part_x = _along(x, downsample)
    top, part_y = _along(y, downsample)
    near_x, near_y = round(part_x * 256), round(part_y * 256)
    if near_x % 256 == 0 and near_y % 256 == 0:
        return left + near_x // 256, top + near_y // 256, None
    moved_x, moved_y = int(part_x * ONE + 0.5), int(part_y * ONE + 0.5)
    return left + moved_x // ONE, top + moved_y // ONE, (moved_x % ONE, moved_y % ONE)


def true_downsample(full: tuple[int, int], size: tuple[int, int], downsample: float) -> float:
    """A level's downsample as a whole number where the sizes (width, height) agree with one."""
    whole = round(downsample)
    pairs = zip(full, size, strict=True)
    if all(s in {f // whole, -(-f // whole)} for f, s in pairs):
        return float(whole)
    return downsample


def uses(
    grid: tuple[int, int, int, int], downsample: float, windows: NDArray[np.int64]
) -> NDArray[np.int32]:
    """How many of the windows need each tile of a level.

    Args:
        grid: Width and height of the level and of its tiles, px.
        downsample: Level-0 px per level px, as OpenSlide counts them.
        windows: (n, 4): x, y (level-0 px), width, height (level px).
    """
    width, height, *tile = grid
    begin, rest = _positions(windows[:, :2], downsample)
    end = np.minimum(begin + windows[:, 2:] + (rest > 0), (width, height))
    begin = np.maximum(begin, 0)
    inside = (end > begin).all(axis=1) & (windows[:, 2:] > 0).all(axis=1)
    left, top = (begin[inside] // tile).T
    right, bottom = ((end[inside] - 1) // tile + 1).T
    shape = -(-height // tile[1]) + 1, -(-width // tile[0]) + 1
    steps = np.zeros(shape, np.int32)  # from each tile to the next
    for row, column, step in (
        (top, left, 1),
        (top, right, -1),
        (bottom, left, -1),
        (bottom, right, 1),
    ):
        np.add.at(steps, (row, column), step)
    counts = steps.cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
    return np.ascontiguousarray(counts[:-1, :-1]).ravel()


def _along(place: int, downsample: float) -> tuple[int, float]:
    if place < 0:
        return -int(-place / downsample), 0.0
    quotient = place / downsample
    return int(quotient), quotient - int(quotient)


def _positions(
    places: NDArray[np.int64], downsample: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`position` of many places (n, 2): whole px, and 1/65536 px, 0 where nothing is left."""
    quotient = np.abs(places) / downsample
    whole = np.floor(quotient)
    part = np.where(places < 0, 0.0, quotient - whole)
    begin = np.where(places < 0, -whole, whole).astype(np.int64)
    near = np.rint(part * 256).astype(np.int64)
    moved = np.floor(part * ONE + 0.5).astype(np.int64)
    copied = (near % 256 == 0).all(axis=1, keepdims=True)
    return (
        begin + np.where(copied, near // 256, moved // ONE),
        np.where(copied, 0, moved % ONE),
    )
