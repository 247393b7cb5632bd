"""Whether the direct reader shows OpenSlide's pixels, asked before it is believed."""

import math
import threading
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from histotile.slides.levels.windows import Texture
from histotile.slides.readers.tiff.positions import position
from histotile.slides.readers.tiff.reader import DirectReader, Region, Spent
from histotile.slides.readers.tiff.tiff_levels import OddSlide

Rgb = NDArray[np.uint8]
Reference = Callable[[int, int, int, int, int], Rgb | None]

SAMPLES = 3


class Trusted:
    """A slide's direct reader, as far as it has shown OpenSlide's pixels. Thread-safe.

    Attributes:
        notes: Why not farther.

    Args:
        open_direct: Gives the reader; raises OddSlide or OSError where there is none.
    """

    def __init__(self, open_direct: Callable[[], DirectReader]) -> None:
        self._direct: DirectReader | None = None
        self.notes: list[str] = []
        try:
            self._direct = open_direct()
        except (OddSlide, OSError) as error:
            self.notes.append(str(error))
        self._closed = False
        self._lock = threading.Lock()
        self._found: dict[tuple[int, bool], DirectReader | None] = {}

    def settle(self, level: int, blended: bool, reference: Reference) -> DirectReader | None:
        """The reader if it shows this level as OpenSlide does, else None; for good.

        Arguments are those of `difference`.
        """
        if self._direct is None or self._closed:
            return None
        kind = level, blended
        if kind not in self._found:
            with self._lock:
                if kind not in self._found:
                    note = difference(self._direct, level, blended, reference)
                    self.notes += [note] if note else []
                    self._found[kind] = None if note else self._direct
        return self._found[kind]

    def settle_at(self, x: int, y: int, level: int, reference: Reference) -> DirectReader | None:
        """The reader if it shows windows that begin at this level-0 px so; see `settle`."""
        if self._direct is None:
            return None
        downsample = self._direct.downsamples[level]
        mostly_copied = downsample.is_integer() and downsample != 1
        blended = mostly_copied and position(x, y, downsample)[2] is not None
        return self.settle(level, blended, reference)

    @property
    def name(self) -> str:
        """Who reads the pixels: "direct", or "openslide" if nothing asked for was shown alike."""
        known = not self._found or any(self._found.values())
        return "direct" if self._direct is not None and known else "openslide"

    def busy(self, level: int) -> Texture | None:
        """Bytes of the compressed tiles of a level, if the reader knows and they differ."""
        if self._direct is None:
            return None
        found, downsample = self._direct.levels[level], self._direct.downsamples[level]
        try:
            sizes = self._direct.sizes(level)
        except OSError:
            return None
        if sizes.max() < 1.1 * np.median(sizes):
            return None
        block = found.tile_width * downsample, found.tile_height * downsample
        return Texture(sizes.reshape(found.down, found.across), block)

    @property
    def spent(self) -> Spent:
        """Where the time of the reader's reads went."""
        return self._direct.spent if self._direct is not None else Spent(0.0, 0.0, 0)

    def close(self) -> None:
        """Closes the file; later reads of either reader are refused."""
        self._closed = True
        if self._direct is not None:
            self._direct.close()


def difference(direct: DirectReader, level: int, blended: bool, reference: Reference) -> str:
    """How a level's pixels by the direct reader differ from OpenSlide's; empty if by nothing.

    Looks at the largest compressed tile that reads: there pixels show most.

    Args:
        direct: Reads them.
        level: 0 is the finest.
        blended: Whether to look between whole level px, where OpenSlide blends neighbours. Of a
            level whose downsample is not whole hardly anything else is shown: then always.
        reference: The same region by OpenSlide; None where it is unreadable.
    """
    try:
        regions = list(_samples(direct, level, blended))
    except OSError as error:
        return str(error)
    for region in regions:
        mine, theirs = direct.read(*region), reference(*region)
        if mine is None and theirs is None:
            continue
        if mine is None or theirs is None:
            only = "OpenSlide" if mine is None else "the direct reader"
            return f"a tile of level {level} is read by {only} alone"
        most = int(np.abs(mine.astype(np.int16) - theirs).max())
        between = " between whole px" if blended else ""
        return f"pixels of level {level}{between} would differ by up to {most}" if most else ""
    return f"level {level} has no compressed tile to compare"


def _samples(direct: DirectReader, level: int, blended: bool) -> Iterator[Region]:
    """Regions inside of the largest compressed tiles of a level."""
    found, downsample, sizes = direct.levels[level], direct.downsamples[level], direct.sizes(level)
    between = blended or not downsample.is_integer()
    shift = max(1, int(downsample / 2)) if between else 0
    for tile in np.argsort(-sizes, kind="stable")[:SAMPLES].tolist():
        left = tile % found.across * found.tile_width
        top = tile // found.across * found.tile_height
        right = min(left + found.tile_width, found.width)
        bottom = min(top + found.tile_height, found.height)
        x, y = math.ceil(left * downsample) + shift, math.ceil(top * downsample) + shift
        width = right - math.ceil(x / downsample) - between
        height = bottom - math.ceil(y / downsample) - between
        if sizes[tile] and width > 0 and height > 0:
            yield x, y, level, width, height
