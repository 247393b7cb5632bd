"""Writing a world as a tiled JPEG pyramid, from top to bottom, in bounded memory."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Literal

import imagecodecs
import numpy as np
import tifffile

from histotile.io.atomic import replacing
from histotile.synthetic.slides.arrays import Bytes
from histotile.synthetic.slides.world import World, shrink

TILE_PX = 256
FACTOR = 4  # between levels
SMALLEST_PX = 1024  # the last level is smaller than this
RUN_TILES = 8  # tiles rendered together
Flavour = Literal["tiff", "svs"]
Progress = Callable[[float], None]


def write_pyramid(
    path: Path, world: World, flavour: Flavour, quality: int, progress: Progress | None = None
) -> None:
    """A slide file that OpenSlide opens, with mpp and, as `svs`, objective power.

    Level 0 is rendered and encoded band by band. Each band also feeds the next level, whose
    encoded tiles wait in a temporary file until level 0 is written. Empty glass is encoded once.
    Memory grows with the slide's width alone: about 30 MB for 100,000 px.

    Args:
        path: Where; written under a temporary name, then renamed.
        world: The slide.
        flavour: `tiff`: generic pyramid; `svs`: with an Aperio description.
        quality: JPEG quality, 1-100.
        progress: Called with the share done, 0-1.
    """
    with ExitStack() as stack:
        levels: list[_Level] = []
        for width, height in level_sizes(world.width, world.height)[:0:-1]:
            spool = stack.enter_context(TemporaryFile(dir=path.parent))
            levels.insert(0, _Level(width, height, quality, spool, levels[0] if levels else None))
        temporary = stack.enter_context(replacing(path))
        big = world.width * world.height > 2**32
        with tifffile.TiffWriter(temporary, bigtiff=big) as tiff:
            base = _base(world, quality, levels[0] if levels else None, progress)
            _write(tiff, base, (world.width, world.height), world, flavour)
            for level in levels:
                _write(tiff, level.tiles(), (level.width, level.height), None, flavour)


def level_sizes(width: int, height: int) -> list[tuple[int, int]]:
    """Width and height of every level, the largest first."""
    sizes = [(width, height)]
    while max(sizes[-1]) >= SMALLEST_PX:
        sizes.append((-(-sizes[-1][0] // FACTOR), -(-sizes[-1][1] // FACTOR)))
    return sizes


def _base(
    world: World, quality: int, below: "_Level | None", progress: Progress | None
) -> Iterator[bytes]:
    """The encoded tiles of level 0 in reading order; what they show is handed to the next level."""
    glass = world.glass(TILE_PX)
    small_glass, empty = shrink(glass, FACTOR), _jpeg(glass, quality)
    rows = -(-world.height // TILE_PX)
    for row in range(rows):
        encoded: list[bytes] = []
        for column, count, blank in _runs(world, row):
            if blank:
                encoded += [empty] * count
                small = np.tile(small_glass, (1, count, 1))
            else:
                run = world.region(column * TILE_PX, row * TILE_PX, count * TILE_PX, TILE_PX)
                encoded += [_jpeg(tile, quality) for tile in np.split(run, count, axis=1)]
                small = shrink(run, FACTOR)
            if below:
                below.add(small, column * TILE_PX // FACTOR)
        if below:
            below.advance(last=row == rows - 1)
        if progress:
            progress((row + 1) / rows)
        yield from encoded  # last: who takes the last tile does not come back for more


def _runs(world: World, row: int) -> Iterator[tuple[int, int, bool]]:
    """Neighbouring tiles of a row that are alike: first column, count, whether empty glass."""
    blank = world.blank(0, row * TILE_PX, -(-world.width // TILE_PX), TILE_PX)
    keys = ((int(b), column // RUN_TILES) for column, b in enumerate(blank))
    column = 0
    for (is_blank, _), group in groupby(keys):
        count = len(list(group))
        yield column, count, bool(is_blank)
        column += count


class _Level:
    """A reduced level: collects a band of pixels, keeps its encoded tiles in a file."""

    def __init__(
        self, width: int, height: int, quality: int, spool: IO[bytes], below: "_Level | None"
    ) -> None:
        self.width, self.height = width, height
        self._columns, self._rows = -(-width // TILE_PX), -(-height // TILE_PX)
        self._quality, self._spool, self._below = quality, spool, below
        self._band = np.full((TILE_PX, self._columns * TILE_PX, 3), 255, np.uint8)
        self._filled = 0

    def add(self, part: Bytes, left: int) -> None:
        """Put pixels into the rows that are being collected."""
        width = min(part.shape[1], self._band.shape[1] - left)
        rows = slice(self._filled, self._filled + part.shape[0])
        self._band[rows, left : left + width] = part[:, :width]

    def advance(self, last: bool) -> None:
        """Go on to the next rows; a full band, or the last, is encoded and handed down."""
        self._filled += TILE_PX // FACTOR
        if self._filled < TILE_PX and not last:
            return
        for tile in np.split(self._band, self._columns, axis=1):
            data = _jpeg(tile, self._quality)
            self._spool.write(len(data).to_bytes(4, "little") + data)
        if self._below:
            self._below.add(shrink(self._band, FACTOR), 0)
            self._below.advance(last)
        self._filled = 0

    def tiles(self) -> Iterator[bytes]:
        """The encoded tiles in reading order."""
        self._spool.seek(0)
        for _ in range(self._columns * self._rows):
            yield self._spool.read(int.from_bytes(self._spool.read(4), "little"))


def _jpeg(tile: Bytes, quality: int) -> bytes:
    packed = np.ascontiguousarray(tile)
    return bytes(
        imagecodecs.jpeg8_encode(packed, level=quality, colorspace="rgb", subsampling="444")
    )


def _write(
    tiff: tifffile.TiffWriter,
    tiles: Iterator[bytes],
    size: tuple[int, int],
    world: World | None,
    flavour: Flavour,
) -> None:
    """One level; level 0 (with its world) carries scale and description."""
    scale = 1e4 / world.spec.mpp if world else None
    tiff.write(
        tiles,
        shape=(size[1], size[0], 3),
        dtype=np.uint8,
        tile=(TILE_PX, TILE_PX),
        photometric="ycbcr",
        compression="jpeg",
        subsampling=(1, 1),
        metadata=None,
        software="histotile",
        subfiletype=0 if world else 1,
        description=describe(world, flavour) if world else None,
        resolution=(scale, scale) if scale else None,
        resolutionunit="CENTIMETER" if scale else None,
    )


def describe(world: World, flavour: Flavour) -> str:
    """The ImageDescription: says that the slide is synthetic, and as `svs` what Aperio says."""
    spec = world.spec
    if flavour == "tiff":
        return f"histotile synthetic=true organ={spec.organ} seed={spec.seed}"
    power = 10 / spec.mpp
    return (
        f"Aperio Image Library v12.0.0\n{spec.width}x{spec.height} "
        f"[0,0 {spec.width}x{spec.height}] ({TILE_PX}x{TILE_PX}) JPEG/RGB"
        f"|AppMag = {power:g}|MPP = {spec.mpp:.4f}|synthetic = true|organ = {spec.organ}"
    )
