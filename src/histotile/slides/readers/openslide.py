"""Slides as OpenSlide opens them; where that gives the same pixels, read by the direct reader."""

import threading
import time
from collections.abc import Mapping
from functools import cache

import numpy as np
import openslide
from numpy.typing import NDArray
from PIL import Image

from histotile.errors import HistotileError
from histotile.slides.diagnosis import CONVERT, refusal
from histotile.slides.levels.windows import Texture
from histotile.slides.metadata.ome_xml import colour_planes
from histotile.slides.readers.protocol import Opening, Rgb, UnreadableTile, Unsuited, on_white
from histotile.slides.readers.tiff.conformance import Trusted
from histotile.slides.readers.tiff.reader import DirectReader, Spent
from histotile.slides.readers.tiff.tiff_levels import OddSlide, find_levels

FORMATS = {
    "aperio": "Aperio SVS",
    "dicom": "DICOM",
    "generic-tiff": "tiled TIFF",
    "hamamatsu": "Hamamatsu",
    "leica": "Leica SCN",
    "mirax": "MIRAX",
    "philips": "Philips TIFF",
    "sakura": "Sakura SVSLIDE",
    "trestle": "Trestle TIFF",
    "ventana": "Ventana BIF",
    "zeiss": "Zeiss CZI",
}


class OpenSlideReader:
    """A `SlideReader` by OpenSlide and, where its pixels are the same, the direct reader.

    Raises:
        Unsuited: OpenSlide does not take the file, or would show one of three planes of colour.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        vendor, path = None, opening.path
        try:
            vendor = openslide.OpenSlide.detect_format(path)
            self._handle = self._open_handle()
            self.properties: Mapping[str, str] = dict(self._handle.properties)
        except (openslide.OpenSlideError, OSError, LookupError, ValueError) as error:
            message = str(error) or "its header is no text"
            final = vendor is not None and "TIFF compression" not in message
            raise Unsuited(refusal(path, vendor, message), final) from error
        self._check_planes()
        self.vendor = vendor or "unknown"
        self.format = FORMATS.get(self.vendor, self.vendor)
        self.level_sizes = tuple((int(w), int(h)) for w, h in self._handle.level_dimensions)
        self.downsamples = tuple(map(float, self._handle.level_downsamples))
        self.remarks: tuple[str, ...] = ()
        self.joins_planes = False
        self._lock, self._openslide_s, self._left = threading.Lock(), 0.0, 0
        self._trusted = Trusted(self._open_direct)

    def read(self, x: int, y: int, level: int, width: int, height: int) -> Rgb:
        """RGB (height, width, 3), see `Slide.read`."""
        direct = self._trusted.settle_at(x, y, level, self._reference)
        if direct is not None:
            pixels = direct.read(x, y, level, width, height)
            if pixels is not None:
                return pixels
            with self._lock:
                self._left += 1
        return on_white(self.read_rgba(x, y, level, width, height))

    def read_rgba(self, x: int, y: int, level: int, width: int, height: int) -> Image.Image:
        """RGBA by OpenSlide, see `Slide.read_rgba`."""
        handle, begin = self._handle, time.perf_counter()
        try:
            return handle.read_region((x, y), level, (width, height))
        except openslide.OpenSlideError as error:
            self._reopen(handle)
            where = f"{self._opening.path}: level {level}, x {x}, y {y}, {width} x {height} px"
            raise UnreadableTile(f"{where}: {error}") from error
        finally:
            taken = time.perf_counter() - begin
            with self._lock:
                self._openslide_s += taken

    def expect(self, level: int, windows: NDArray[np.int64]) -> None:
        """Nothing comes out: announces reads, see `Slide.expect`."""
        direct = self.settle(level)
        if direct is not None and len(windows):
            direct.expect(level, windows)

    def settle(self, level: int) -> DirectReader | None:
        """The direct reader if this level's pixels are OpenSlide's by it, too, else None for good.

        The first read of a level asks; then `name` and `note` are settled for it.
        """
        return self._trusted.settle(level, False, self._reference)

    def busy(self, level: int) -> Texture | None:
        """Bytes of the compressed tiles of a level, if known."""
        return self._trusted.busy(level)

    @property
    def name(self) -> str:
        """Who reads the pixels: "direct", or "openslide" if it reads each level asked for."""
        return self._trusted.name

    @property
    def note(self) -> str:
        """What OpenSlide reads, and why; empty if nothing."""
        left = [f"{self._left} windows were left to OpenSlide"] if self._left else []
        return "; ".join(self._trusted.notes + left)

    @property
    def spent(self) -> Spent:
        """Where the time of all reads so far went."""
        reading_s, decoding_s, decoded = self._trusted.spent
        return Spent(reading_s, decoding_s + self._openslide_s, decoded)

    def close(self) -> None:
        """Nothing comes out: gives the file back."""
        self._handle.close()
        self._trusted.close()

    def _open_handle(self) -> openslide.OpenSlide:
        handle = openslide.OpenSlide(self._opening.path)
        if self._opening.many:
            handle.set_cache(_shared_cache())
        return handle

    def _open_direct(self) -> DirectReader:
        path, wanted, _, recent_bytes, _ = self._opening
        if wanted == "openslide":
            raise OddSlide("OpenSlide was asked for")
        levels = find_levels(path, self.level_sizes, self.vendor)
        fills = self.vendor == "aperio"
        return DirectReader(path, levels, self.downsamples, fills, recent_bytes)

    def _check_planes(self) -> None:
        description = self.properties.get("tiff.ImageDescription", "")
        if self._opening.wanted == "auto" and colour_planes(description):
            self._handle.close()
            fact = "its red, green and blue are three grey pages, of which OpenSlide shows one"
            raise Unsuited(HistotileError(self._opening.path, fact, CONVERT), False)

    def _reference(self, x: int, y: int, level: int, width: int, height: int) -> Rgb | None:
        try:
            return on_white(self.read_rgba(x, y, level, width, height))
        except UnreadableTile:
            return None

    def _reopen(self, failed: openslide.OpenSlide) -> None:
        # A handle refuses all reads after its first error. Other threads may hold it: not closed.
        with self._lock:
            if self._handle is failed:
                self._handle = self._open_handle()


_SHARED_BYTES = 32 << 20


@cache
def _shared_cache() -> openslide.OpenSlideCache:
    return openslide.OpenSlideCache(_SHARED_BYTES)
