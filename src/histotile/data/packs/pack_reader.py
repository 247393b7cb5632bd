"""The packed tiles of a selection: found once, read from few open files."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histotile.data.packs.pack_file import PackedPlace, PackIndex, decode_place, read_pack_index
from histotile.data.packs.tile_codecs import Codec, Rgb
from histotile.data.selection import Selection
from histotile.data.source import Spent
from histotile.errors import HistotileError
from histotile.io.identity import check_same
from histotile.slides.slide import UnreadableTile

Numbers = NDArray[np.int64]
ENDING = ".pack"
_OPEN_FILES = 128
_NOT_HELD = 255
_REMEDY = "make the packs again from these tile tables with `histotile pack`"


class PackedTiles:
    """Pixels of a selection's tiles by number, for as many of its slides as are packed.

    All is looked up in the beginning, so that a wrong pack is told before the training starts and
    few bytes per tile stay in memory. At most 128 packs are open at once. Threads may share this;
    so may processes started by fork, as reads have no position in common.

    Attributes:
        spent: Seconds of reading and decoding, tiles decoded; of this process so far.

    Args:
        selection: What may be asked for.
        folder: Holds `<slide_id>.pack` of each slide.

    Raises:
        HistotileError: A pack is missing, damaged, or made from another tile table.
    """

    def __init__(self, selection: Selection, folder: Path) -> None:
        self._given = (selection, folder)
        self.spent: Spent = (0.0, 0.0, 0)
        self._tile_px = selection.tile_px
        self._slide, self._tile_id = selection.slide, selection.tile_id
        self._paths = [folder / f"{slide_id}{ENDING}" for slide_id in selection.slide_ids]
        self._codec = np.full(len(selection), _NOT_HELD, np.uint8)
        self._offset, self._size, self._crc = np.zeros((3, len(selection)), np.int64)
        for number in np.unique(selection.slide).tolist():
            self._find(number)
        self._files: OrderedDict[int, int] = OrderedDict()
        self._lock = threading.Lock()

    def _find(self, slide: int) -> None:
        selection = self._given[0]
        index = read_pack_index(self._paths[slide])
        _check_scale(index, selection, slide)
        if not len(index):
            return
        tiles = np.flatnonzero(selection.slide == slide)
        rows = _rows(index, selection, tiles)
        self._codec[tiles], self._offset[tiles] = index.codec[rows], index.offset[rows]
        self._size[tiles], self._crc[tiles] = index.size[rows], index.crc[rows]

    def holds(self, tile: int) -> bool:
        """Whether the tile's slide is packed."""
        return bool(self._codec[tile] != _NOT_HELD)

    def read(self, tile: int) -> Rgb:
        """The pixels of a tile that is held.

        Raises:
            UnreadableTile: The slide was damaged there when it was packed.
            HistotileError: The pack is damaged.
        """
        codec, slide = Codec(self._codec[tile]), int(self._slide[tile])
        if codec is Codec.DAMAGED:
            raise UnreadableTile(f"{self._paths[slide]}: tile {self._tile_id[tile]}")
        columns = (self._offset, self._size, self._crc)
        place = PackedPlace(codec, *(int(column[tile]) for column in columns))
        begin = time.perf_counter()
        data = self._bytes(slide, place)
        middle = time.perf_counter()
        rgb = decode_place(self._paths[slide], data, place, self._tile_px)
        done = time.perf_counter()
        with self._lock:
            reading, decoding, decoded = self.spent
            self.spent = reading + middle - begin, decoding + done - middle, decoded + 1
        return rgb

    def _bytes(self, slide: int, place: PackedPlace) -> bytes:
        path = self._paths[slide]
        try:
            with self._lock:  # so that no other thread closes the file meanwhile
                if slide not in self._files:
                    while len(self._files) >= _OPEN_FILES:
                        os.close(self._files.popitem(last=False)[1])
                    self._files[slide] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                self._files.move_to_end(slide)
                return os.pread(self._files[slide], place.size, place.offset)
        except OSError as error:
            raise HistotileError(path, f"cannot be read ({error})", _REMEDY) from error

    def close(self) -> None:
        """Give all files back; they open again when asked for."""
        with self._lock:
            while self._files:
                os.close(self._files.popitem()[1])

    def __del__(self) -> None:
        if hasattr(self, "_lock"):
            self.close()

    def __reduce__(self) -> tuple[type[PackedTiles], tuple[Selection, Path]]:
        """The same, without open files, where it arrives."""
        return type(self), self._given


def _check_scale(index: PackIndex, selection: Selection, slide: int) -> None:
    """Raises unless the pack is of this slide at this scale."""
    wanted = {
        "slide_id": selection.slide_ids[slide],
        "path": str(selection.paths[slide]),
        "mpp": float(selection.mpps[slide]),
        "tile_mpp": selection.tile_mpp,
        "tile_px": selection.tile_px,
    }
    check_same(index.path, selection.identities[slide], index.facts.get("identity"))
    found = {name: index.facts.get(name) for name in wanted}
    found["mpp"] = float(found["mpp"] or np.nan)
    for name, value in wanted.items():
        if found[name] != value and not (value != value and found[name] != found[name]):
            fact = f"was made of other tiles: {name} is {found[name]} there, {value} in the table"
            raise HistotileError(index.path, fact, _REMEDY)


def _rows(index: PackIndex, selection: Selection, tiles: Numbers) -> Numbers:
    """Rows of the pack in which these tiles of the selection are; raises if one is not there."""
    wanted = selection.tile_id[tiles]
    rows = np.searchsorted(index.tile_id, wanted).clip(max=len(index) - 1)
    same = index.tile_id[rows] == wanted
    same &= (index.x[rows] == selection.x[tiles]) & (index.y[rows] == selection.y[tiles])
    if not same.all():
        lacking = wanted[~same]
        fact = f"was made of other tiles: it lacks {len(lacking)} of {len(wanted)}"
        raise HistotileError(index.path, f"{fact}, tile {lacking[0]} first", _REMEDY)
    return rows
