"""The reader of pictures that OpenSlide refuses."""

import itertools
import os
import threading
import time
import weakref
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from histotile.slides.diagnosis import is_tiff, refusal
from histotile.slides.levels.windows import Texture
from histotile.slides.readers.image.colours import Pixels
from histotile.slides.readers.image.picture_file import is_picture, open_picture
from histotile.slides.readers.image.tiff_picture import open_tiff_picture
from histotile.slides.readers.protocol import Opening, Rgb, UnreadableTile, Unsuited
from histotile.slides.readers.tiff.decoded_tile_cache import DecodedTiles
from histotile.slides.readers.tiff.positions import position, true_downsample, uses
from histotile.slides.readers.tiff.reader import DirectReader, Spent
from histotile.slides.readers.tiff.tiff_file import ODD


class ImageReader:
    """A `SlideReader` of TIFF by tifffile and imagecodecs, and of plain pictures by Pillow.

    A window is made of the tiles or strips it needs. All readers of a process share what decoded
    ones they keep, so that memory does not grow with the number of slides; those of slides of which
    many are open are kept only if they are large.

    Raises:
        Unsuited: The file is neither, or damaged, or would take too much memory.
    """

    joins_planes = False

    def __init__(self, opening: Opening) -> None:
        self._path, self.note = opening.path, opening.why
        if not opening.path.is_file():
            raise Unsuited(refusal(opening.path, None, ""), final=True)
        if is_tiff(opening.path):
            picture = open_tiff_picture(opening.path)
        elif is_picture(opening.path):
            picture = open_picture(opening.path)
        else:
            raise Unsuited(refusal(opening.path, None, ""), final=False)
        self.vendor, self.format, self._levels, self.properties, self.remarks, joins = picture
        self.joins_planes = joins
        self.level_sizes = tuple((level.width, level.height) for level in self._levels)
        self.downsamples = _downsamples(self.level_sizes)
        least = opening.recent_bytes if opening.many else 0
        self._keep = [level.segment_bytes > least for level in self._levels]
        self._file = os.open(opening.path, os.O_RDONLY | os.O_CLOEXEC)
        self._first_key = next(_numbers) << 16
        keys = range(self._first_key, self._first_key + len(self._levels))
        self._finish = weakref.finalize(self, _give_back, self._file, keys)
        self._lock, self._spent = threading.Lock(), Spent(0.0, 0.0, 0)

    name = "image"

    def read(self, x: int, y: int, level: int, width: int, height: int) -> Rgb:
        """RGB (height, width, 3), see `Slide.read`."""
        left, top, shift = position(x, y, self.downsamples[level])
        if shift is None:
            return self._window(level, left, top, width, height)[..., :3].copy()
        from histotile.slides.readers.tiff.blending import blended

        block = self._window(level, left, top, width + 1, height + 1)
        rgb = np.ascontiguousarray(block[..., :3])
        return blended(rgb, (left, top), self._levels[level][:4], shift)

    def read_rgba(self, x: int, y: int, level: int, width: int, height: int) -> Image.Image:
        """RGBA, its px whole ones of the level, see `Slide.read_rgba`."""
        left, top, _ = position(x, y, self.downsamples[level])
        return Image.fromarray(self._window(level, left, top, width, height))

    def expect(self, level: int, windows: NDArray[np.int64]) -> None:
        """Nothing comes out: announces reads, see `Slide.expect`."""
        if len(windows):
            counts = uses(self._levels[level][:4], self.downsamples[level], windows)
            _kept(os.getpid()).expect(self._first_key + level, counts)

    def settle(self, level: int) -> DirectReader | None:
        """Nobody gives the compressed tiles."""
        return None

    def busy(self, level: int) -> Texture | None:
        """Not known without decoding."""
        return None

    @property
    def spent(self) -> Spent:
        """Where the time of all reads so far went."""
        return self._spent

    def close(self) -> None:
        """Nothing comes out: gives the file and the memory back."""
        self._finish()

    def _window(self, level: int, left: int, top: int, width: int, height: int) -> Pixels:
        """RGBA, RGB as it shows on white, of a window at a whole level px."""
        out = np.full((height, width, 4), 255, np.uint8)
        out[..., 3] = 0
        found = self._levels[level]
        right, bottom = min(left + width, found.width), min(top + height, found.height)
        if right <= max(left, 0) or bottom <= max(top, 0):
            return out
        columns = range(max(left, 0) // found.tile_width, (right - 1) // found.tile_width + 1)
        rows = range(max(top, 0) // found.tile_height, (bottom - 1) // found.tile_height + 1)
        keys = [(row, column) for row in rows for column in columns]
        taken = 0
        try:
            for row, column in keys:
                taken += 1
                segment = self._segment(level, row * found.across + column)
                x, y = column * found.tile_width, row * found.tile_height
                b, d = min(y + len(segment), bottom), min(x + segment.shape[1], right)
                a, c = max(y, top, 0), max(x, left, 0)
                if b > a and d > c:
                    channels = segment.shape[2]
                    into = out[a - top : b - top, c - left : d - left]
                    into[..., 3] = 255
                    into[..., :channels] = segment[a - y : b - y, c - x : d - x]
        except Exception as error:
            for row, column in keys[taken:]:
                number = row * found.across + column
                _kept(os.getpid()).skip((self._first_key + level, number))
            if not isinstance(error, (*ODD, RuntimeError, SyntaxError)):
                raise
            where = f"{self._path}: level {level}, level px {left}, {top}, {width} x {height} px"
            raise UnreadableTile(f"{where}: {error}") from error
        return out

    def _segment(self, level: int, number: int) -> Pixels:
        key = self._first_key + level, number
        if not self._finish.alive:
            raise ValueError("the slide is closed")
        return _kept(os.getpid()).use(key, self._load, self._keep[level])[0]

    def _load(self, key: tuple[int, int]) -> Pixels:
        begin, waited = time.perf_counter(), 0.0

        def fetch(offset: int, count: int) -> bytes:
            nonlocal waited
            start = time.perf_counter()
            data = os.pread(self._file, count, offset)
            waited += time.perf_counter() - start
            if len(data) < count:
                raise OSError("the file ends before its px do")
            return data

        pixels = self._levels[key[0] - self._first_key].load(key[1], fetch)
        decoding = time.perf_counter() - begin - waited
        with self._lock:
            before = self._spent
            self._spent = Spent(before[0] + waited, before[1] + decoding, before[2] + 1)
        return pixels


_numbers = itertools.count()


@cache
def _kept(process: int) -> DecodedTiles:
    """What a process keeps of decoded segments; its own, as locks do not survive a fork."""
    return DecodedTiles(recent_bytes=1 << 28)


def _give_back(file: int, keys: range) -> None:
    os.close(file)
    for key in keys:
        _kept(os.getpid()).forget(key)


def _downsamples(sizes: Sequence[tuple[int, int]]) -> tuple[float, ...]:
    full = sizes[0]
    means = [(full[0] / w + full[1] / h) / 2 for w, h in sizes]
    return tuple(true_downsample(full, size, d) for size, d in zip(sizes, means, strict=True))
