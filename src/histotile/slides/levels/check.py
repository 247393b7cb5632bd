"""Which levels show what level 0 shows, where they say; asked before a level is used."""

import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from histotile.slides.levels.scale import LevelScale, Size
from histotile.slides.levels.windows import Agreement, Place, Texture, busiest, texture

Rgb = NDArray[np.uint8]
Read = Callable[[int, int, int, int, int], Rgb | None]  # as `Slide.read`; None if unreadable

WINDOW, LEAST_WINDOW = 128, 24  # level px: side of what is compared, and below what nothing is
FINER_PX = 2048  # of the finer level: side of what is read for a window
ENOUGH = 4  # windows that agree, while none disagrees
SMALL_PX = 1 << 20  # a level that is read whole to see where it shows most
GRID = 6  # windows along each side of a larger one


class Levels:
    """Which levels of a slide may be used. Each is asked once, when it is first wanted.

    A level is compared with the next finer one that may be used, so that level 0 vouches for all:
    windows where either shows most are brought to one scale and correlated, at their place and
    beside it. The same tissue correlates best within 2 px of its place; another picture, a
    mirrored or a shifted one does not. Thread-safe; the same file always gives the same answer.

    Attributes:
        downsamples: Level-0 px per level px, of each level.

    Args:
        sizes: Of each level.
        stated: Downsample of each level as OpenSlide states it: it places windows by that.
        scales: What the sizes say of each level.
        read: Reads windows.
        busy: Bytes of the compressed tiles of a level, where known: a cheap measure of texture.
    """

    def __init__(
        self,
        sizes: Sequence[Size],
        stated: Sequence[float],
        scales: Sequence[LevelScale],
        read: Read,
        busy: Callable[[int], Texture | None],
    ) -> None:
        self._sizes, self._stated, self._scales = sizes, stated, scales
        self._read, self._busy = read, busy
        self._lock = threading.RLock()
        self._why = {0: ""}
        self._places: dict[int, list[Place]] = {}
        either = zip(scales, stated, strict=True)
        self.downsamples = [(*s.downsamples, d)[0] for s, d in either]
        for level, scale in enumerate(scales):
            if len(scale.downsamples) > 1:
                agree = (d for d in scale.downsamples if self.compare(level, 0, d).agrees)
                self.downsamples[level] = next(agree, scale.downsamples[0])

    def left_out(self, level: int) -> str:
        """Why a level is not used; empty if it may be."""
        if level not in self._why:
            with self._lock:
                if level not in self._why:
                    self._why[level] = self._doubt(level)
        return self._why[level]

    def compare(self, level: int, finer: int, downsample: float) -> Agreement:
        """In how many windows two levels show the same.

        Args:
            level: Number of the coarser one.
            finer: Number of the finer one.
            downsample: Of the coarser one.
        """
        found, ratio = Agreement(), downsample / self.downsamples[finer]
        pairs = zip(self._sizes[0], self._sizes[level], strict=True)
        width, height = (min(int(full / downsample), size) for full, size in pairs)
        side = min(WINDOW, width, height, max(int(FINER_PX / ratio), LEAST_WINDOW))
        if side < LEAST_WINDOW or ratio < 1 or side * ratio > 2 * FINER_PX:
            return found
        for x, y in self._places_of(level, finer):
            left = min(max(round(x / downsample - side / 2), 0), width - side)
            top = min(max(round(y / downsample - side / 2), 0), height - side)
            mine = self._window(level, left, top, side)
            theirs = self._window(
                finer, round(left * ratio), round(top * ratio), round(side * ratio)
            )
            if mine is not None and theirs is not None:
                found = found.with_window(mine, theirs)
            if found.alike == found.places == ENOUGH:
                break
        return found

    def level_0_is_blank(self, levels: Sequence[int]) -> bool:
        """Whether one of these levels shows something and level 0 nothing, there and elsewhere."""
        found = (self.compare(level, 0, self.downsamples[level]) for level in levels)
        return any(f.places > 0 and f.finer_blank == f.places for f in found)

    def agree_otherwise(self, levels: Sequence[int]) -> bool:
        """Whether two of these levels show the same."""
        pairs = (
            (k, j) for k in levels for j in levels if self.downsamples[j] < self.downsamples[k]
        )
        return any(self.compare(k, j, self.downsamples[k]).agrees for k, j in pairs)

    def _doubt(self, level: int) -> str:
        width, height = self._sizes[level]
        why = self._fault(level)
        return f"level {level} ({width} x {height} px) is not used: {why}" if why else ""

    def _fault(self, level: int) -> str:
        (width, height), full = self._sizes[level], self._sizes[0]
        if not self._scales[level].downsamples:
            of_slide = full[0] / full[1]
            return f"{width / height:.3g} times as wide as high, the slide {of_slide:.3g} times"
        finer = self._finer(level)
        found = self.compare(level, finer, self.downsamples[level])
        if found.places == 0:
            proven = self._scales[level].proven
            return "" if proven else "it is out of proportion and too plain to find its scale"
        if found.agrees:
            recoloured = 2 * found.recoloured > found.alike
            return f"it has other colours than level {finer}" if recoloured else ""
        if found.blank == found.places - found.alike:
            return f"it is blank where level {finer} is not"
        if found.finer_blank == found.places:
            return f"it shows something where level {finer} is blank"
        return (
            f"it shows another picture than level {finer}, or the same elsewhere "
            f"({found.alike} of {found.places} windows agree)"
        )

    def _finer(self, level: int) -> int:
        fine = [i for i in range(level) if self.downsamples[i] <= self.downsamples[level]]
        usable = [i for i in fine if not self.left_out(i)]
        return max(usable, key=lambda i: self.downsamples[i], default=0)

    def _window(self, level: int, left: int, top: int, side: int) -> Rgb | None:
        stated = self._stated[level]
        return self._read(round(left * stated), round(top * stated), level, side, side)

    def _places_of(self, level: int, finer: int) -> Iterator[Place]:
        """Where either level shows most, in turn, and in opposite quarters first."""
        mine, theirs = self._busiest(level), self._busiest(finer)[::-1]
        for number in range(max(len(mine), len(theirs))):
            yield from mine[number : number + 1]
            yield from theirs[number : number + 1]

    def _busiest(self, level: int) -> list[Place]:
        if level not in self._places:
            self._places[level] = busiest(self._texture(level))
        return self._places[level]

    def _texture(self, level: int) -> Texture:
        downsample, (width, height) = self.downsamples[level], self._sizes[level]
        if width * height <= SMALL_PX:
            whole = self._read(0, 0, level, width, height)
            if whole is not None:
                return texture(whole, downsample)
        return self._busy(level) or self._grid(level)

    def _grid(self, level: int) -> Texture:
        """SD of grey values in windows all over a level."""
        step = [side / GRID for side in self._sizes[level]]
        side = max(1, min(WINDOW // 2, int(min(step))))
        values = np.zeros((GRID, GRID))
        for row in range(GRID):
            for column in range(GRID):
                left, top = round((column + 0.5) * step[0]), round((row + 0.5) * step[1])
                seen = self._window(level, left - side // 2, top - side // 2, side)
                values[row, column] = 0.0 if seen is None else seen.mean(axis=2).std()
        downsample = self.downsamples[level]
        return Texture(values, (step[0] * downsample, step[1] * downsample))
