"""An open slide: its sizes, its scale, and pixels of its levels."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
import openslide
from numpy.typing import NDArray
from PIL import Image

from histotile.slides.diagnosis import refusal
from histotile.slides.levels.check import Levels
from histotile.slides.levels.scale import (
    level_scale,
    tile_size,
)
from histotile.slides.metadata.dicom import choose_instance
from histotile.slides.metadata.properties import Bounds as Bounds
from histotile.slides.metadata.properties import (
    find_bounds,
    property_mpp,
)
from histotile.slides.readers.tiff.conformance import Trusted
from histotile.slides.readers.tiff.decoded_tile_cache import RECENT_BYTES
from histotile.slides.readers.tiff.reader import (
    DirectReader,
    Spent,
)
from histotile.slides.readers.tiff.tiff_levels import (
    OddSlide,
    find_levels,
)

Rgb = NDArray[np.uint8]
Reader = Literal["auto", "openslide"]


class UnreadableTile(Exception):  # noqa: N818 - named after what the caller goes on from
    """A region of a slide is damaged; the slide was opened again, other regions still read."""


class Slide:
    """An open slide. Reads are thread-safe; a pickled slide opens again where it arrives.

    Attributes:
        path: The file.
        vendor: Format as OpenSlide names it, e.g. "aperio".
        width: Level-0 px.
        height: Level-0 px.
        level_sizes: (width, height) of each level, level 0 first.
        downsamples: Level-0 px per level px. Whole numbers where the level sizes agree with one:
            OpenSlide divides sizes that were rounded (4443 / 2221 = 2.0005) or padded, which
            moves a position by up to one level px, or a tile, at the far edge.
        levels: Which of the levels show the slide.
        bounds: `openslide.bounds-*`, else the whole slide.
        mpp: Micrometres per level-0 px: the caller's, else `openslide.mpp-*`, else None.
        properties: All properties OpenSlide knows.
        recent_bytes: Of decoded tiles that are kept although no read of them was announced.
    """

    recent_bytes = RECENT_BYTES

    def __init__(self, path: Path, mpp: float | None, vendor: str, reader: Reader) -> None:
        self.path, self.vendor, self._given = path, vendor, (mpp, reader)
        self._handle = self._open_handle()
        self._lock, self._openslide_s, self._left = threading.Lock(), 0.0, 0
        self.width, self.height = map(int, self._handle.dimensions)
        self.level_sizes = tuple((int(w), int(h)) for w, h in self._handle.level_dimensions)
        self.openslide_downsamples = tuple(map(float, self._handle.level_downsamples))
        self.properties: Mapping[str, str] = dict(self._handle.properties)
        self.bounds = find_bounds(self.properties, self.width, self.height)
        self.mpp = mpp if mpp is not None else property_mpp(self.properties)
        self._trusted = Trusted(self._open_direct)
        self.levels = self._find_levels()
        self.downsamples = tuple(self.levels.downsamples)

    @classmethod
    def open(cls, path: Path, mpp: float | None = None, reader: Reader = "auto") -> "Slide":
        """The slide in a file.

        Args:
            path: A file OpenSlide can open, or the folder of a DICOM series; any Unicode name.
            mpp: Micrometres per level-0 px where known better than by the file.
            reader: "openslide" reads by OpenSlide alone.

        Raises:
            HistotileError: Missing, empty, cut short, of a format or compression that OpenSlide
                does not take, or without its companion files; the reason is named.
        """
        vendor, path = None, choose_instance(path)
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise refusal(path, None, "")  # a pipe would be waited for without end
        try:
            vendor = openslide.OpenSlide.detect_format(path)
            return cls(path, mpp, vendor or "unknown", reader)
        except (openslide.OpenSlideError, OSError, LookupError, ValueError) as error:
            raise refusal(path, vendor, str(error) or "its header is no text") from error

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
        direct = self._trusted.settle_at(x, y, level, self._by_openslide)
        if direct is not None:
            pixels = direct.read(x, y, level, width, height)
            if pixels is not None:
                return pixels
            with self._lock:
                self._left += 1
        return on_white(self.read_rgba(x, y, level, width, height))

    def read_rgba(self, x: int, y: int, level: int, width: int, height: int) -> Image.Image:
        """RGBA of a window of a level by OpenSlide, transparent where the slide has no pixels.

        Arguments and errors are those of `read`.
        """
        handle, begin = self._handle, time.perf_counter()
        try:
            return handle.read_region((x, y), level, (width, height))
        except openslide.OpenSlideError as error:
            self._reopen(handle)
            where = f"{self.path}: level {level}, x {x}, y {y}, {width} x {height} px"
            raise UnreadableTile(f"{where}: {error}") from error
        finally:
            taken = time.perf_counter() - begin
            with self._lock:
                self._openslide_s += taken

    def expect(self, level: int, windows: NDArray[np.int64]) -> None:
        """Announces reads, so that no compressed tile is decoded twice.

        Args:
            level: Of all the windows.
            windows: (n, 4): x, y (level-0 px), width, height (level px), as `read` will get
                them; each will be read once.
        """
        direct = self.settle(level)
        if direct is not None and len(windows):
            direct.expect(level, windows)

    def settle(self, level: int) -> DirectReader | None:
        """The direct reader if this level's pixels are OpenSlide's by it, too, else None for good.

        The first read of a level asks; then `reader` and `reader_note` are settled for it.
        """
        return self._trusted.settle(level, False, self._by_openslide)

    def left_out(self, level: int) -> str:
        """Why a level is not used; empty if it shows what level 0 shows (see `Levels`)."""
        return self.levels.left_out(level)

    @property
    def reader(self) -> str:
        """Who reads the pixels: "direct", or "openslide" if it reads each level asked for."""
        return self._trusted.name

    @property
    def reader_note(self) -> str:
        """What OpenSlide reads, and why; empty if nothing."""
        left = [f"{self._left} windows were left to OpenSlide"] if self._left else []
        return "; ".join(self._trusted.notes + left)

    @property
    def spent(self) -> Spent:
        """Where the time of all reads so far went."""
        reading_s, decoding_s, decoded = self._trusted.spent
        return Spent(reading_s, decoding_s + self._openslide_s, decoded)

    def close(self) -> None:
        """Give the file back."""
        self._handle.close()
        self._trusted.close()

    def _open_handle(self) -> openslide.OpenSlide:
        return openslide.OpenSlide(self.path)

    def _open_direct(self) -> DirectReader:
        if self._given[1] == "openslide":
            raise OddSlide("OpenSlide was asked for")
        levels = find_levels(self.path, self.level_sizes, self.vendor)
        downsamples, fills = self.openslide_downsamples, self.vendor == "aperio"
        return DirectReader(self.path, levels, downsamples, fills, self.recent_bytes)

    def _find_levels(self) -> Levels:
        sizes, stated = self.level_sizes, self.openslide_downsamples
        scales = [
            level_scale(sizes[0], size, downsample, tile_size(self.properties, level))
            for level, (size, downsample) in enumerate(zip(sizes, stated, strict=True))
        ]
        return Levels(sizes, stated, scales, self._by_openslide, self._trusted.busy)

    def _by_openslide(self, x: int, y: int, level: int, width: int, height: int) -> Rgb | None:
        try:
            return on_white(self.read_rgba(x, y, level, width, height))
        except UnreadableTile:
            return None

    def _reopen(self, failed: openslide.OpenSlide) -> None:
        # A handle refuses all reads after its first error. Other threads may hold it: not closed.
        with self._lock:
            if self._handle is failed:
                self._handle = self._open_handle()

    def __reduce__(self) -> tuple[object, tuple[Path, float | None, Reader]]:
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


def on_white(picture: Image.Image) -> Rgb:
    """RGB (height, width, 3) of an RGBA picture laid on white."""
    if picture.getchannel("A").getextrema() == (255, 255):
        return np.array(picture.convert("RGB"))
    white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return np.array(Image.alpha_composite(white, picture).convert("RGB"))
