"""Decoded tiles kept until their last use, within a limit of memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Key = tuple[int, int]  # level, number of the tile in it

PASS_BYTES = 256 << 20
RECENT_BYTES = 64 << 20


class DecodedTiles:
    """Tiles by level and number; no two threads decode the same one at once.

    A tile that was announced is kept until it was used as often as announced, then dropped; any
    other as long as it is among the recently used. Beyond either limit the least recently used go.

    Args:
        pass_bytes: Most bytes of announced tiles.
        recent_bytes: Most bytes of others.
    """

    def __init__(self, pass_bytes: int = PASS_BYTES, recent_bytes: int = RECENT_BYTES) -> None:
        self._lock = threading.Lock()
        self._announced = _Shelf(pass_bytes)
        self._recent = _Shelf(recent_bytes)
        self._uses: dict[int, NDArray[np.int32]] = {}
        self._loading: dict[Key, _Loading] = {}

    def expect(self, level: int, uses: NDArray[np.int32]) -> None:
        """Announces how often each tile of a level will be used."""
        with self._lock:
            known = self._uses.get(level)
            self._uses[level] = uses.copy() if known is None else known + uses

    def use(self, key: Key, load: Callable[[Key], Rgb], keep: bool = True) -> tuple[Rgb, bool]:
        """The tile, decoded by `load` unless it is there, and whether others may have it, too.

        Raises what `load` raises.

        Args:
            key: Which tile.
            load: Decodes it.
            keep: Whether it is worth keeping although it was not announced.
        """
        with self._lock:
            left = self._count_down(key)
            tile = self._find(key, left)
            if tile is not None:
                return tile, True
            loading = self._loading.get(key)
            if loading is None:
                own = self._loading[key] = _Loading()
            else:
                loading.shared = True
        if loading is not None:
            return loading.result(), True
        try:
            own.tile = load(key)
        except BaseException as error:
            own.error = error
            raise
        finally:
            self._loaded(key, own, left, keep)
        return own.tile, own.shared

    def skip(self, key: Key) -> None:
        """Takes back one announced use."""
        with self._lock:
            if self._count_down(key) == 0:
                self._announced.drop(key)

    def forget(self, level: int) -> None:
        """Nothing comes out: what is kept of a level goes, and no more uses of it are expected."""
        with self._lock:
            self._uses.pop(level, None)
            self._announced.drop_level(level)
            self._recent.drop_level(level)

    @property
    def kept_bytes(self) -> int:
        """Of all tiles now kept."""
        return self._announced.bytes + self._recent.bytes

    def _count_down(self, key: Key) -> int:
        """Uses still announced after this one; -1 for a tile that was not announced."""
        uses = self._uses.get(key[0])
        if uses is None or not uses[key[1]]:
            return -1
        uses[key[1]] -= 1
        return int(uses[key[1]])

    def _find(self, key: Key, left: int) -> Rgb | None:
        tile = self._announced.get(key)
        if tile is None:
            return self._recent.get(key)
        if left == 0:
            self._announced.drop(key)
        return tile

    def _loaded(self, key: Key, own: "_Loading", left: int, keep: bool) -> None:
        with self._lock:
            del self._loading[key]
            if own.tile is not None and left < 0 and keep:
                self._recent.put(key, own.tile)
                own.shared = True
            elif own.tile is not None and left > 0 and self._uses[key[0]][key[1]]:
                self._announced.put(key, own.tile)
                own.shared = True
        own.done.set()


class _Shelf:
    """Tiles in the order of their last use, the first of which go beyond `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._tiles: OrderedDict[Key, Rgb] = OrderedDict()
        self._limit = limit
        self.bytes = 0

    def get(self, key: Key) -> Rgb | None:
        tile = self._tiles.get(key)
        if tile is not None:
            self._tiles.move_to_end(key)
        return tile

    def put(self, key: Key, tile: Rgb) -> None:
        self.drop(key)
        self._tiles[key] = tile
        self.bytes += tile.nbytes
        while self.bytes > self._limit:
            self.bytes -= self._tiles.popitem(last=False)[1].nbytes

    def drop(self, key: Key) -> None:
        tile = self._tiles.pop(key, None)
        self.bytes -= 0 if tile is None else tile.nbytes

    def drop_level(self, level: int) -> None:
        for key in [key for key in self._tiles if key[0] == level]:
            self.drop(key)


class _Loading:
    """A tile that one thread decodes and others wait for."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.tile: Rgb | None = None
        self.error: BaseException | None = None
        self.shared = False

    def result(self) -> Rgb:
        self.done.wait()
        if self.tile is None:
            raise self.error or RuntimeError("a tile was neither decoded nor refused")
        return self.tile
