"""The picture of a slide in halving levels of tiles, as OpenSeadragon asks for them."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from histotile.reports.images import data_uri, encode_jpeg

Rgb = NDArray[np.uint8]
Read = Callable[[int, int, int, int], Rgb]  # x, y, width, height of level 0 -> (height, width, 3)
Save = Callable[[int, int, int, Rgb], None]  # level, column, row, its pixels

TILE_PX = 512
# Quality of JPEG and size that are tried in turn until the pictures fit into a page.
_SIZES = ((85, 1.0), (75, 1.0), (65, 1.0), (65, 0.7), (65, 0.5), (65, 0.35), (65, 0.25), (65, 0.1))
_FOLDER_QUALITY = 85


@dataclass(frozen=True)
class Level:
    """One level of a pyramid, cut into tiles of 512 px from its top-left corner.

    Args:
        width: px of this level.
        height: Likewise.
        tiles: Addresses of its tiles, row by row; empty where they lie in a folder.
    """

    width: int
    height: int
    tiles: Sequence[str] = ()

    @property
    def columns(self) -> int:
        """Tiles side by side; the last may be narrower."""
        return -(-self.width // TILE_PX)

    @property
    def rows(self) -> int:
        """Tiles one below the other; the last may be lower."""
        return -(-self.height // TILE_PX)


@dataclass(frozen=True)
class Pyramid:
    """Levels of one picture, the coarsest first.

    Args:
        width: Of the finest level, px.
        height: Likewise.
        levels: Each half as wide and high as the next, rounded up; the first is a single tile.
        folder: Address, relative to the page, of the folder with LEVEL/COLUMN_ROW.jpg; None: the
            levels hold their tiles.
    """

    width: int
    height: int
    levels: Sequence[Level]
    folder: str | None = None


def plan_levels(width: int, height: int) -> list[Level]:
    """The levels of a picture of that size (px), coarsest first, without their tiles."""
    levels = [Level(width, height)]
    while max(levels[0].width, levels[0].height) > TILE_PX:
        levels.insert(0, Level(-(-levels[0].width // 2), -(-levels[0].height // 2)))
    return levels


def embed_pyramid(picture: Rgb, budget: int) -> Pyramid:
    """The pyramid of a picture with its tiles as `data:` addresses.

    To keep within the budget the quality of the JPEGs falls to 65, then the picture shrinks, at
    most to a tenth.

    Args:
        picture: (h, w, 3).
        budget: Most characters that the addresses may have together.
    """
    image = Image.fromarray(picture)
    for quality, scale in _SIZES:
        width, height = (max(1, round(side * scale)) for side in image.size)
        smaller = image if scale == 1.0 else image.resize((width, height), Image.Resampling.BOX)
        pyramid = _embed(np.asarray(smaller), quality)
        if sum(len(tile) for level in pyramid.levels for tile in level.tiles) <= budget:
            break
    return pyramid


def write_pyramid(
    folder: Path,
    read: Read,
    width: int,
    height: int,
    progress: Callable[[int, int], None] | None = None,
) -> Pyramid:
    """Tiles of a slide down to level 0 as LEVEL/COLUMN_ROW.jpg in a folder, whole or not at all.

    Every tile of level 0 is read once, and coarser ones are made of the four below them, so that a
    few tiles are in memory at a time, however large the slide. An older folder is replaced.

    Args:
        folder: Beside the page.
        read: Gives level-0 px; only windows within the slide are asked for.
        width: Of the slide, level-0 px.
        height: Likewise.
        progress: Called with level-0 tiles done and in all.
    """
    levels = plan_levels(width, height)
    temporary = folder.with_name(f".{os.getpid()}.{folder.name}")
    total, done = levels[-1].columns * levels[-1].rows, 0
    for number in range(len(levels)):
        (temporary / str(number)).mkdir(parents=True)

    def save(level: int, column: int, row: int, pixels: Rgb) -> None:
        nonlocal done
        name = f"{level}/{column}_{row}.jpg"
        (temporary / name).write_bytes(encode_jpeg(pixels, _FOLDER_QUALITY))
        if level == len(levels) - 1:
            done += 1
            if progress:
                progress(done, total)

    try:
        _build(levels, read, save, 0, 0, 0)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Pyramid(width, height, levels, quote(folder.name, safe=""))


def _embed(picture: Rgb, quality: int) -> Pyramid:
    height, width = picture.shape[:2]
    levels = plan_levels(width, height)
    tiles = [[""] * (level.columns * level.rows) for level in levels]

    def read(x: int, y: int, columns: int, rows: int) -> Rgb:
        return picture[y : y + rows, x : x + columns]

    def save(level: int, column: int, row: int, pixels: Rgb) -> None:
        tiles[level][row * levels[level].columns + column] = data_uri(encode_jpeg(pixels, quality))

    _build(levels, read, save, 0, 0, 0)
    filled = [Level(level.width, level.height, t) for level, t in zip(levels, tiles, strict=True)]
    return Pyramid(width, height, filled)


def _build(
    levels: Sequence[Level], read: Read, save: Save, number: int, column: int, row: int
) -> Rgb:
    """The pixels of a tile, once it and all tiles below it are saved."""
    level = levels[number]
    left, top = column * TILE_PX, row * TILE_PX
    width, height = min(TILE_PX, level.width - left), min(TILE_PX, level.height - top)
    if number == len(levels) - 1:
        pixels = read(left, top, width, height)
    else:
        finer = levels[number + 1]
        wide = min(2 * TILE_PX, finer.width - 2 * left), min(2 * TILE_PX, finer.height - 2 * top)
        below = np.empty((wide[1], wide[0], 3), np.uint8)
        for down in range(-(-wide[1] // TILE_PX)):
            for right in range(-(-wide[0] // TILE_PX)):
                tile = _build(levels, read, save, number + 1, 2 * column + right, 2 * row + down)
                y, x = down * TILE_PX, right * TILE_PX
                below[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
        pixels = _halved(below)
    save(number, column, row, pixels)
    return pixels


def _halved(pixels: Rgb) -> Rgb:
    """Means of 2 x 2 px; an odd last row or column stands for two."""
    odd = [(0, side % 2) for side in pixels.shape[:2]]
    even = np.pad(pixels, (*odd, (0, 0)), mode="edge")
    return np.asarray(Image.fromarray(even).reduce(2))
