"""Where the pixels of a tile come from: a slide, or an image file of its own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histotile.io.tile_spec import TileSpec
from histotile.slides.identity import check_table
from histotile.slides.slide import Slide
from histotile.slides.tile_reader import expect_tiles, read_tile

Tables = Sequence[Path] | Mapping[Path, Path]  # tile tables, or each with its slide's place
Rgb = NDArray[np.uint8]
Places = NDArray[np.int32]
Spent = tuple[float, float, int]  # seconds reading, seconds decoding, compressed tiles decoded


@dataclass(frozen=True)
class SlideSource:
    """Tiles cut from an open slide at their mpp."""

    slide: Slide
    tile_mpp: float
    tile_px: int

    def read(self, x: int, y: int, file: str | None, checksum: str | None = None) -> Rgb:
        """The pixels of a tile, uint8 (tile_px, tile_px, 3); raises UnreadableTile.

        Args:
            x: Left edge, level-0 px.
            y: Top edge, level-0 px.
            file: None; of tiles that are image files their path, see `ImageSource`.
            checksum: Of that file.
        """
        return read_tile(self.slide, x, y, self.tile_mpp, self.tile_px)

    def expect(self, x: Places, y: Places) -> None:
        """Announces a pass: tiles that will each be read once, soon and about in this order.

        The slide then decodes each of its compressed tiles once, however many of these share it.

        Args:
            x: Left edges, level-0 px.
            y: Top edges.
        """
        expect_tiles(self.slide, x, y, self.tile_mpp, self.tile_px)

    @property
    def reader(self) -> str:
        """What reads the slide: "direct" or "openslide"."""
        return self.slide.reader

    @property
    def reader_note(self) -> str:
        """What OpenSlide reads, and why; empty if nothing."""
        return self.slide.reader_note

    @property
    def spent(self) -> Spent | None:
        """What the slide's reads have cost so far."""
        return self.slide.spent


@dataclass(frozen=True)
class ImageSource:
    """Ready-made tiles, one file each."""

    tile_px: int

    def read(self, x: int, y: int, file: str | None, checksum: str | None = None) -> Rgb:
        """The pixels of a file, which must have this checksum; its place is unknown."""
        from histotile.data.images import read_image

        return read_image(Path(str(file)), self.tile_px, checksum)

    def expect(self, x: Places, y: Places) -> None:
        """Nothing: files share no pixels."""

    @property
    def reader(self) -> str:
        """No slide is read."""
        return ""

    @property
    def reader_note(self) -> str:
        """Nothing to explain."""
        return ""

    @property
    def spent(self) -> Spent | None:
        """Not known apart from the time in `read`."""
        return None


@contextmanager
def open_source(spec: TileSpec, slide: Path | None = None) -> Iterator[SlideSource | ImageSource]:
    """The source of a tile table's pixels; may be read by several threads.

    Args:
        spec: Of the table.
        slide: Where the slide is; None: where it was when it was tiled.

    Raises:
        HistotileError: The slide is gone, was replaced since it was tiled, or cannot be opened.
    """
    if spec.is_of_images:
        yield ImageSource(spec.tile_px)
        return
    check_table(spec, slide)
    with Slide.open(spec.place(slide), spec.mpp) as opened:
        yield SlideSource(opened, spec.tile_mpp, spec.tile_px)
