"""An open slide: its sizes, its scale, and pixels of its levels."""

from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from histotile.slides.diagnosis import refusal
from histotile.slides.levels.check import Levels
from histotile.slides.levels.scale import level_scale, tile_size
from histotile.slides.metadata.dicom import choose_instance
from histotile.slides.metadata.properties import Bounds as Bounds
from histotile.slides.metadata.properties import find_bounds, property_mpp
from histotile.slides.readers.protocol import Opening, Rgb, SlideReader, Wanted, on_white
from histotile.slides.readers.protocol import UnreadableTile as UnreadableTile
from histotile.slides.readers.registry import open_reader
from histotile.slides.readers.tiff.decoded_tile_cache import RECENT_BYTES
from histotile.slides.readers.tiff.reader import DirectReader, Spent


class Slide:
    """An open slide. Reads are thread-safe; a pickled slide opens again where it arrives.

    Attributes:
        path: The file.
        vendor: Format as OpenSlide names it, e.g. "aperio"; of pictures "png", "jpeg", ...
        width: Level-0 px.
        height: Level-0 px.
        level_sizes: (width, height) of each level, level 0 first.
        downsamples: Level-0 px per level px. Whole numbers where the level sizes agree with one:
            OpenSlide divides sizes that were rounded (4443 / 2221 = 2.0005) or padded, which
            moves a position by up to one level px, or a tile, at the far edge.
        levels: Which of the levels show the slide.
        bounds: `openslide.bounds-*`, else the whole slide.
        mpp: Micrometres per level-0 px: the caller's, else `openslide.mpp-*`, else None.
        properties: All properties the reader knows, under OpenSlide's keys.
        recent_bytes: Of decoded tiles that are kept although no read of them was announced.
        many: Whether many such slides are open at once.
    """

    recent_bytes = RECENT_BYTES
    many = False

    def __init__(self, path: Path, mpp: float | None, wanted: Wanted) -> None:
        self.path, self._given = path, (mpp, wanted)
        reader = open_reader(Opening(path, wanted, "", self.recent_bytes, self.many))
        self._reader: SlideReader = reader
        self.vendor, self.format = reader.vendor, reader.format
        self.remarks, self.joins_planes = reader.remarks, reader.joins_planes
        self.level_sizes, self.properties = reader.level_sizes, reader.properties
        self.openslide_downsamples = reader.downsamples
        self.width, self.height = self.level_sizes[0]
        self.bounds = find_bounds(self.properties, self.width, self.height)
        self.mpp = mpp if mpp is not None else property_mpp(self.properties)
        self.levels = self._find_levels()
        self.downsamples = tuple(self.levels.downsamples)

    @classmethod
    def open(cls, path: Path, mpp: float | None = None, reader: Wanted = "auto") -> "Slide":
        """The slide in a file.

        Args:
            path: A file that one of the readers takes, see `readers.registry`, or the folder of a
                DICOM series; any Unicode name.
            mpp: Micrometres per level-0 px where known better than by the file.
            reader: "openslide" never reads past OpenSlide; "image" never asks it.

        Raises:
            HistotileError: Missing, empty, cut short, of a format or compression that no reader
                takes, or without its companion files; the reason is named.
        """
        path = choose_instance(path)
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise refusal(path, None, "")  # a pipe would be waited for without end
        return cls(path, mpp, reader)

    def read(self, x: int, y: int, level: int, width: int, height: int) -> Rgb:
        """RGB (height, width, 3) of a window of a level, white where the slide has no pixels.

        The window begins at level px x / openslide_downsamples[level]; where that is no whole
        number, neighbouring pixels are interpolated as by OpenSlide; of Leica slides OpenSlide
        cuts the fraction off.

        Args:
            x: Left edge, level-0 px.
            y: Top edge, level-0 px.
            level: 0 is the finest.
            width: Level px.
            height: Level px.

        Raises:
            UnreadableTile: The window is damaged.
        """
        return self._reader.read(x, y, level, width, height)

    def read_rgba(self, x: int, y: int, level: int, width: int, height: int) -> Image.Image:
        """RGBA of a window of a level, transparent where the slide has no pixels.

        By OpenSlide where it takes the file. Arguments and errors are those of `read`.
        """
        return self._reader.read_rgba(x, y, level, width, height)

    def expect(self, level: int, windows: NDArray[np.int64]) -> None:
        """Announces reads, so that no compressed tile is decoded twice.

        Args:
            level: Of all the windows.
            windows: (n, 4): x, y (level-0 px), width, height (level px), as `read` will get
                them; each will be read once.
        """
        self._reader.expect(level, windows)

    def settle(self, level: int) -> DirectReader | None:
        """The direct reader if this level's pixels are OpenSlide's by it, too, else None for good.

        The first read of a level asks; then `reader` and `reader_note` are settled for it.
        """
        return self._reader.settle(level)

    def left_out(self, level: int) -> str:
        """Why a level is not used; empty if it shows what level 0 shows (see `Levels`)."""
        return self.levels.left_out(level)

    @property
    def reader(self) -> str:
        """Who reads the pixels: "direct", "openslide" if it reads each level asked for, "image"."""
        return self._reader.name

    @property
    def reader_note(self) -> str:
        """Why no faster reader, or not OpenSlide, reads them; empty if nothing is to be said."""
        return self._reader.note

    @property
    def spent(self) -> Spent:
        """Where the time of all reads so far went."""
        return self._reader.spent

    def close(self) -> None:
        """Give the file back."""
        self._reader.close()

    def _find_levels(self) -> Levels:
        sizes, stated = self.level_sizes, self.openslide_downsamples
        scales = [
            level_scale(sizes[0], size, downsample, tile_size(self.properties, level))
            for level, (size, downsample) in enumerate(zip(sizes, stated, strict=True))
        ]
        return Levels(sizes, stated, scales, self._look, self._reader.busy)

    def _look(self, x: int, y: int, level: int, width: int, height: int) -> Rgb | None:
        try:
            return on_white(self.read_rgba(x, y, level, width, height))
        except UnreadableTile:
            return None

    def __reduce__(self) -> tuple[object, tuple[Path, float | None, Wanted]]:
        return type(self).open, (self.path, *self._given)

    def __enter__(self) -> "Slide":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
