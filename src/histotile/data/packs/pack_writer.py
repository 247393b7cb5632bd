"""Making a pack from a tile table: copied, kept without loss, or left where it pays nothing."""

from __future__ import annotations

import logging
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.config import Pack
from histotile.data.packs.pack_file import (
    PackedTile,
    PackIndex,
    decode_place,
    read_pack_index,
    write_pack,
)
from histotile.data.packs.tile_codecs import Codec, Rgb, decode, encode, is_whole
from histotile.data.source import SlideSource, open_source
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.io.arrow import known, numbers
from histotile.io.tile_spec import read_spec
from histotile.slides.random_access import FrugalSlide
from histotile.slides.readers.tiff.compressed_tiles import compressed_tiles
from histotile.slides.slide import UnreadableTile

PAYS = 2.0  # times as fast as the slide itself
_TIMED = 64
_FIRST, _EVERY = 8, 64  # tiles compared with what the slide shows
Progress = Callable[[int, int], None]
Places = NDArray[np.int32]


def pack_tiles(
    table: Path,
    output: Path,
    settings: Pack,
    progress: Progress | None = None,
    slide: Path | None = None,
) -> dict[str, Any]:
    """What became of a slide's labelled, not excluded tiles; `output` is their pack.

    A tile that is one compressed JPEG tile of the slide is copied as it is; others are encoded as
    the settings say. Copies are what the slide's reader decodes, by the same decoder. That is
    proved on the first 8 and every 64th of them: should one show other pixels, all are compared,
    and those that differ are encoded. Each of the rest is decoded once, small, so that no damage
    goes in unseen; a damaged tile is noted as such.

    With `use: auto`, 64 tiles at random are first read from the slide and from a pack of them;
    unless the pack is twice as fast, what is written holds no tiles and says so: training then
    reads the slide. The same is written of a slide without labelled tiles.

    Args:
        table: Tile table of the slide.
        output: The pack.
        settings: Section `pack`.
        progress: Called with tiles done and tiles in all.
        slide: Where the slide is; None: where it was when it was tiled.

    Returns:
        `slide_id`, `read_from` ("pack" or "slide"), `tiles`, `copied` and `damaged` (numbers),
        `bytes`, and with `auto` `slide_ms` and `pack_ms`, milliseconds to read a tile (medians).

    Raises:
        HistotileError: The table is none or lists image files, the slide cannot be opened, or
            `use` is `never`.
    """
    if settings.use == "never":
        raise HistotileError("pack.use", "is never", "set it to auto or always")
    spec = read_spec(table)
    if spec.is_of_images:
        raise HistotileError(table, "its tiles are image files", "train from them as they are")
    facts: dict[str, Any] = {"slide_id": spec.slide_id, "path": str(spec.path)}
    facts |= {"identity": spec.identity, "mpp": spec.mpp}
    facts |= {"tile_mpp": spec.tile_mpp, "tile_px": spec.tile_px}
    facts |= {"settings": settings.model_dump(mode="json"), "note": tables.RESEARCH_USE}
    places = _labelled(table)
    if not len(places[0]):  # a quarantined slide has none, and may not open
        facts["read_from"] = "slide"
        write_pack(output, facts, ())
        return {**facts, "tiles": 0, "copied": 0, "damaged": 0, "bytes": output.stat().st_size}
    with open_source(spec, slide) as source:
        assert isinstance(source, SlideSource)
        packer = _Packer(source, *places, settings.quality)
        if settings.use == "auto":
            facts |= _times(packer, output)
        pays = settings.use == "always" or facts["pack_ms"] * PAYS <= facts["slide_ms"]
        facts["read_from"] = "pack" if pays else "slide"
        write_pack(output, facts, packer.tiles(progress) if pays else ())
    counted = {"tiles": len(packer.x), "copied": packer.copied, "damaged": packer.damaged}
    return {**facts, **counted, "bytes": output.stat().st_size}


def _labelled(table: Path) -> tuple[Places, Places, Places]:
    """Columns tile_id, x and y of the labelled tiles that are not excluded."""
    rows = tables.read_table(table, ["tile_id", "x", "y", "label", "excluded"])
    used = known(rows["label"]) & ~known(rows["excluded"])
    tile_id, x, y = (numbers(rows[name])[used] for name in ("tile_id", "x", "y"))
    return tile_id, x, y


@dataclass
class _Packer:
    """Reads tiles of a slide and makes packed ones of them, counting."""

    source: SlideSource
    tile_id: Places
    x: Places
    y: Places
    quality: int
    copied: int = 0
    damaged: int = 0

    def __post_init__(self) -> None:
        source = self.source
        self._compressed = compressed_tiles(source.slide, source.tile_mpp, source.tile_px)
        self._behind = np.full(len(self.x), -1)  # numbers of the compressed tiles
        if self._compressed is not None:
            self._behind = self._compressed.numbers(self.x, self.y)
        self._proven = False

    def tiles(self, progress: Progress | None) -> Iterator[PackedTile]:
        """All of them, in the order of the table."""
        self._proven = self._prove()
        read = self._behind < (0 if self._proven else np.inf)
        self.source.expect(self.x[read], self.y[read])
        for row in range(len(self.x)):
            yield self.tile(row)
            if progress is not None:
                progress(row + 1, len(self.x))

    def tile(self, row: int) -> PackedTile:
        """The tile of a row, ready to be written."""
        place = (int(self.tile_id[row]), int(self.x[row]), int(self.y[row]))
        data = self._copy(row)
        if data is None or not self._proven:
            try:
                rgb = self.source.read(place[1], place[2], None)
            except UnreadableTile as error:
                logging.getLogger(__name__).warning("tile %d is damaged: %s", place[0], error)
                self.damaged += 1
                return PackedTile(*place, Codec.DAMAGED, b"")
            if data is None or not self._shows(data, rgb):
                return PackedTile(*place, *encode(rgb, self.quality))
        self.copied += 1
        return PackedTile(*place, Codec.JPEG, data)

    def _prove(self) -> bool:
        """Whether copies hold the pixels read from the slide: the first 8, and every 64th."""
        copies = np.flatnonzero(self._behind >= 0)
        chosen = np.union1d(copies[:_FIRST], copies[::_EVERY]).tolist()
        whole = [(row, data) for row in chosen if (data := self._copy(row)) is not None]
        try:
            return bool(whole) and all(
                self._shows(data, self.source.read(int(self.x[row]), int(self.y[row]), None))
                for row, data in whole
            )
        except UnreadableTile:
            return False

    def _copy(self, row: int) -> bytes | None:
        """The compressed tile behind the tile of a row; None if there is none, or a damaged one."""
        if self._compressed is None or self._behind[row] < 0:
            return None
        data = self._compressed.jpeg(int(self._behind[row]))
        return data if data is not None and is_whole(data, self.source.tile_px) else None

    def _shows(self, data: bytes, rgb: Rgb) -> bool:
        """Whether a JPEG file holds exactly these pixels."""
        return np.array_equal(decode(Codec.JPEG, data, self.source.tile_px), rgb)


def _times(packer: _Packer, output: Path) -> dict[str, float]:
    """Milliseconds to read a tile from the slide, and from a pack on the same storage."""
    chosen = np.random.default_rng(0).permutation(len(packer.x))[:_TIMED]
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as folder:
        path = Path(folder) / "timed"
        sample = [packer.tile(row) for row in sorted(chosen.tolist())]
        packer.copied = packer.damaged = 0
        write_pack(path, {}, sample)
        index = read_pack_index(path)
        whole = [r for r in range(len(index)) if index.codec[r] != Codec.DAMAGED]
        if not whole:
            return {"slide_ms": 0.0, "pack_ms": 0.0}
        order = np.random.default_rng(1).permutation(whole).tolist()
        rows = np.searchsorted(packer.tile_id, index.tile_id).tolist()
        pairs = [(row, rows[row]) for row in order]
        source = packer.source
        with FrugalSlide.open(source.slide.path, source.slide.mpp) as slide:
            return _interleaved(packer, replace(source, slide=slide), index, pairs)


def _interleaved(
    packer: _Packer, source: SlideSource, index: PackIndex, pairs: list[tuple[int, int]]
) -> dict[str, float]:
    """Medians over tiles (row of the pack, row of the table), each read from both in turn."""
    places = list(zip(packer.x.tolist(), packer.y.tolist(), strict=True))
    source.read(*places[pairs[0][1]], None)  # the first read of a slide costs more
    taken: dict[str, list[float]] = {"slide_ms": [], "pack_ms": []}
    with index.path.open("rb") as file:
        for packed, row in pairs:
            begin = perf_counter()
            source.read(*places[row], None)
            middle = perf_counter()
            place = index.place(packed)
            data = os.pread(file.fileno(), place.size, place.offset)
            decode_place(index.path, data, place, source.tile_px)
            taken["slide_ms"].append(1e3 * (middle - begin))
            taken["pack_ms"].append(1e3 * (perf_counter() - middle))
    return {name: round(statistics.median(values), 3) for name, values in taken.items()}
