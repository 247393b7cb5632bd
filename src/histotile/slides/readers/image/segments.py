"""A level of a picture in the parts in which it can be decoded: tiles, strips, or all of it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from histotile.errors import HistotileError
from histotile.slides.diagnosis import CONVERT
from histotile.slides.readers.image.colours import Pixels
from histotile.slides.readers.protocol import Unsuited

MOST_BYTES = 1 << 28  # of what must be decoded at once: about 9400 x 9400 px of RGB

Fetch = Callable[[int, int], bytes]  # offset and number of bytes -> bytes of the file


class Segments(NamedTuple):
    """A level as a grid of segments, all of one size but at its end; lengths in level px.

    Attributes:
        channels: Of what `load` gives: 3, or 4 with alpha.
        load: Segment number, rows first -> its px, as far as it lies in the level.
    """

    width: int
    height: int
    tile_width: int
    tile_height: int
    channels: int
    load: Callable[[int, Fetch], Pixels]

    @property
    def across(self) -> int:
        """Segments side by side."""
        return -(-self.width // self.tile_width)

    @property
    def down(self) -> int:
        """Segments one below the other."""
        return -(-self.height // self.tile_height)

    @property
    def segment_bytes(self) -> int:
        """Of a decoded one."""
        return self.tile_width * self.tile_height * self.channels


class Picture(NamedTuple):
    """What a file holds; of the attributes that a `SlideReader` has, too, see there.

    Attributes:
        levels: Finest first.
    """

    vendor: str
    format: str
    levels: list[Segments]
    properties: Mapping[str, str]
    remarks: tuple[str, ...]
    joins_planes: bool = False


def check_memory(path: Path, what: str, size: tuple[int, int], px_bytes: int) -> None:
    """Nothing, if what must be decoded at once is small enough.

    Args:
        path: The file.
        what: In words.
        size: Its width and height, px.
        px_bytes: Of a decoded px.

    Raises:
        Unsuited: It is not.
    """
    needed = size[0] * size[1] * px_bytes
    if needed > MOST_BYTES:
        raise too_large(path, f"{what} of {size[0]} x {size[1]} px", needed)


def too_large(path: Path, what: str, needed: int) -> Unsuited:
    """The error of what would take too much memory to decode: so many bytes."""
    fact = (
        f"{what} can only be decoded whole, which takes {needed / 2**30:.3g} GiB of memory; the "
        f"limit is {MOST_BYTES / 2**30:.2g} GiB"
    )
    return Unsuited(HistotileError(path, fact, CONVERT), final=True)
