"""What the pixels of each tile say: how sharp it is, how much pen and folds, which colours."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from histotile.config import Quality
from histotile.io import tables
from histotile.slides.slide import UnreadableTile
from histotile.slides.tissue import quality

Progress = Callable[[int, int], None]
MEASURES = ("sharpness", "pen_fraction", "fold_fraction", *tables.COLOUR)
_TILES_PER_TASK, _TILES_AT_ONCE = 16, 1024
UNREADABLE = "unreadable"


class Readers(NamedTuple):
    """How many threads read tiles, and what is called with tiles done and tiles in total."""

    threads: int = 1
    progress: Progress | None = None


def measure_tiles(
    read: Callable[[int], NDArray[np.uint8]],
    count: int,
    readers: Readers,
    ink: bool = False,
) -> NDArray[np.float32]:
    """Sharpness, pen and fold fraction, mean and SD of R, G, B of every tile, (tiles, 9).

    A row of NaN where a tile is damaged. Each tile's pixels are read once and let go.

    Args:
        read: Gives the pixels of a tile by number, in any thread, or raises UnreadableTile.
        count: Number of tiles.
        readers: What reads them.
        ink: Whether tiles are to say what is ink, since no overview does.
    """
    measures = np.full((count, len(MEASURES)), np.nan, np.float32)

    def measure(first: int) -> int:
        last = min(first + _TILES_PER_TASK, count)
        tiles: dict[int, NDArray[np.uint8]] = {}
        for tile in range(first, last):
            with suppress(UnreadableTile):
                tiles[tile] = read(tile)
        measures[list(tiles)] = quality.measure(list(tiles.values()), ink)
        return last

    with ThreadPoolExecutor(readers.threads) as pool:
        for start in range(0, count, _TILES_AT_ONCE):  # a few tasks at a time: bounded memory
            stop = min(start + _TILES_AT_ONCE, count)
            for done in pool.map(measure, range(start, stop, _TILES_PER_TASK)):
                if readers.progress is not None:
                    readers.progress(done, count)
    return measures


def mark_tiles(
    measures: NDArray[np.float32], settings: Quality, of_slide: bool
) -> tuple[dict[str, NDArray[np.bool_]], list[str | None]]:
    """The marks blur, pen and fold of every tile, and why it is not used (None: it is)."""
    readable = ~np.isnan(measures[:, 0])
    sharpness, pen, fold = measures[readable, :3].T
    found = quality.mark(sharpness, pen, fold, settings)
    marks = {name: np.zeros(len(measures), bool) for name in ("blur", "pen", "fold")}
    excluded = np.full(len(measures), None, object)
    for name, values in found.items():
        marks[name][readable] = values
    left_out = settings.exclude if settings.exclude is not None else ("pen",) * of_slide
    for name in reversed(left_out):
        excluded[marks[name]] = name
    excluded[~readable] = UNREADABLE
    return marks, excluded.tolist()
