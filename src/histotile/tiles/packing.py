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
import pyarrow as pa
import pyarrow.compute as pc

from histotile import tables
from histotile.config import Pack
from histotile.errors import HistotileError
from histotile.slides.compressed import CompressedTiles, compressed_tiles
from histotile.slides.frugal import FrugalSlide
from histotile.slides.slide import UnreadableTile
from histotile.tiles.pack import PackedTile, PackIndex, decode_place, read_pack_index, write_pack
from histotile.tiles.source import ImageSource, SlideSource, is_of_images, open_source
from histotile.tiles.tile_codecs import Codec, Rgb, decode, encode

PAYS = 2.0  # times as fast as the slide itself
_TIMED = 64
Progress = Callable[[int, int], None]


def pack_tiles(
    table: Path, output: Path, settings: Pack, progress: Progress | None = None
) -> dict[str, Any]:
    """What became of a slide's labelled, not excluded tiles; `output` is their pack.

    A tile that is one compressed JPEG tile of the slide is copied as it is; others are encoded as
    the settings say. With `use: auto`, 64 tiles at random are first read from the slide and from a
    pack of them; unless the pack is twice as fast, what is written holds no tiles and says so:
    training then reads the slide.

    Args:
        table: Tile table of the slide.
        output: The pack.
        settings: Section `pack`.
        progress: Called with tiles done and tiles in all.

    Returns:
        `tiles`, `copied` and `damaged` (numbers), `bytes`, and with `auto` `slide_ms` and
        `pack_ms`, milliseconds to read a tile (medians).

    Raises:
        HistotileError: The table is none, the slide cannot be opened, or `use` is `never`.
    """
    if settings.use == "never":
        raise HistotileError("pack.use", "is never", "set it to auto or always")
    footer = tables.read_footer(table)
    rows = _labelled(table, is_of_images(footer))
    names = ("slide_id", "path", "mpp", "tile_mpp", "tile_px")
    facts: dict[str, Any] = {name: footer.get(name) for name in names}
    facts |= {"settings": settings.model_dump(mode="json"), "note": tables.RESEARCH_USE}
    with open_source(footer) as source:
        packer = _Packer(source, _compressed(source), rows, facts["tile_px"], settings.quality)
        if settings.use == "auto":
            facts |= _times(packer, output)
        if settings.use == "always" or facts["pack_ms"] * PAYS <= facts["slide_ms"]:
            facts["read_from"] = "pack"
            write_pack(output, facts, packer.tiles(progress))
        else:
            facts["read_from"] = "slide"
            write_pack(output, facts, ())
    numbers = {"copied": packer.copied, "damaged": packer.damaged}
    return {**facts, "tiles": len(rows), **numbers, "bytes": output.stat().st_size}


def _compressed(source: SlideSource | ImageSource) -> CompressedTiles | None:
    if isinstance(source, ImageSource):
        return None
    return compressed_tiles(source.slide, source.tile_mpp, source.tile_px)


def _labelled(table: Path, of_images: bool) -> pa.Table:
    columns = ["tile_id", "x", "y", "label", "excluded", *(["file"] if of_images else [])]
    rows = tables.read_table(table, columns)
    return rows.filter(pc.and_(pc.is_null(rows["excluded"]), pc.is_valid(rows["label"])))


@dataclass
class _Packer:
    """Reads tiles of a slide and makes packed ones of them, counting."""

    source: SlideSource | ImageSource
    compressed: CompressedTiles | None
    rows: pa.Table
    tile_px: int
    quality: int
    copied: int = 0
    damaged: int = 0

    def __post_init__(self) -> None:
        self.tile_id, self.x, self.y = (
            self.rows[name].to_numpy() for name in ("tile_id", "x", "y")
        )
        of_images = "file" in self.rows.column_names
        self.files = self.rows["file"].to_pylist() if of_images else [None] * len(self.rows)

    def tiles(self, progress: Progress | None) -> Iterator[PackedTile]:
        """All of them, in the order of the table, which is that of the slide's storage."""
        self.source.expect(self.x, self.y)
        for row in range(len(self.rows)):
            yield self.tile(row)
            if progress is not None:
                progress(row + 1, len(self.rows))

    def read(self, row: int) -> Rgb:
        """The pixels of a tile; raises UnreadableTile."""
        return self.source.read(int(self.x[row]), int(self.y[row]), self.files[row])

    def tile(self, row: int) -> PackedTile:
        """The tile of a row, ready to be written."""
        place = (int(self.tile_id[row]), int(self.x[row]), int(self.y[row]))
        try:
            rgb = self.read(row)
        except UnreadableTile as error:
            logging.getLogger(__name__).warning("tile %d is damaged: %s", place[0], error)
            self.damaged += 1
            return PackedTile(*place, Codec.DAMAGED, b"", self.files[row])
        return PackedTile(*place, *self._encoded(place[1], place[2], rgb), self.files[row])

    def _encoded(self, x: int, y: int, rgb: Rgb) -> tuple[Codec, bytes]:
        data = self.compressed.jpeg(x, y) if self.compressed is not None else None
        if data is not None and self._shows(data, rgb):
            self.copied += 1
            return Codec.JPEG, data
        return encode(rgb, self.quality)

    def _shows(self, data: bytes, rgb: Rgb) -> bool:
        """Whether a JPEG holds these very pixels."""
        try:
            return np.array_equal(decode(Codec.JPEG, data, self.tile_px), rgb)
        except ValueError:
            return False


def _times(packer: _Packer, output: Path) -> dict[str, float]:
    """Milliseconds to read a tile from the slide, and from a pack on the same storage."""
    chosen = np.random.default_rng(0).permutation(len(packer.rows))[:_TIMED]
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
        if isinstance(source, ImageSource):
            return _interleaved(packer, index, pairs)
        with FrugalSlide.open(source.slide.path, source.slide.mpp) as slide:
            as_in_training = replace(packer, source=replace(source, slide=slide))
            return _interleaved(as_in_training, index, pairs)


def _interleaved(
    packer: _Packer, index: PackIndex, pairs: list[tuple[int, int]]
) -> dict[str, float]:
    """Medians over tiles (row of the pack, row of the table), each read from both in turn."""
    packer.read(pairs[0][1])  # the first read of a slide costs more
    taken: dict[str, list[float]] = {"slide_ms": [], "pack_ms": []}
    with index.path.open("rb") as file:
        for packed, row in pairs:
            begin = perf_counter()
            packer.read(row)
            middle = perf_counter()
            place = index.place(packed)
            data = os.pread(file.fileno(), place.size, place.offset)
            decode_place(index.path, data, place, packer.tile_px)
            taken["slide_ms"].append(1e3 * (middle - begin))
            taken["pack_ms"].append(1e3 * (perf_counter() - middle))
    return {name: round(statistics.median(values), 3) for name, values in taken.items()}
