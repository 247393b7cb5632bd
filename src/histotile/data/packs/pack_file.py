"""The pixels of a slide's labelled tiles in one file, each read by itself.

A pack is a ZIP file without compression of its own: `<tile_id>.jpg` opens in any picture viewer,
and `<tile_id>.planes` holds a tile without loss (see `tile_codecs`). Its last member, pack.json,
says how the pack was made and where each tile begins; the archive's comment, the very end of the
file, says where pack.json begins. So a pack opens with two short reads however many tiles it
holds, a tile is one more, and a file that was cut short shows it at once.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from histotile import __version__
from histotile.data.packs.tile_codecs import Codec, Rgb, decode
from histotile.errors import HistotileError
from histotile.io.atomic import replacing

VERSION = 1
_INDEX = "pack.json"
_ENDING = {Codec.JPEG: "jpg", Codec.PLANES: "planes"}
_COMMENT = "histotile pack; {} begins at byte {}, {} bytes, CRC-32 {}."
_FOUND = re.compile(
    rb"histotile pack; pack\.json begins at byte (\d+), (\d+) bytes, CRC-32 (\d+)\.\Z"
)
_TAIL = 128  # bytes that hold the comment
_REMEDY = "make it again with `histotile pack`"


class PackedTile(NamedTuple):
    """A tile as it goes into a pack; x and y are level-0 px."""

    tile_id: int
    x: int
    y: int
    codec: Codec
    data: bytes


@dataclass(frozen=True)
class PackIndex:
    """What a pack says of itself.

    Attributes:
        path: The pack.
        facts: As given to `write_pack`, and the versions.
        tile_id: Tiles, (tiles,), ascending.
        x: Left edges, level-0 px.
        y: Top edges.
        codec: Numbers of `Codec`.
        offset: First byte of each tile.
        size: Bytes of each tile.
        crc: CRC-32 of these bytes.
    """

    path: Path
    facts: Mapping[str, Any]
    tile_id: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    codec: NDArray[np.int64]
    offset: NDArray[np.int64]
    size: NDArray[np.int64]
    crc: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of tiles; 0 where the slide itself is to be read."""
        return len(self.tile_id)

    def place(self, row: int) -> PackedPlace:
        """Where the tile of a row is."""
        codec = Codec(self.codec[row])
        return PackedPlace(codec, int(self.offset[row]), int(self.size[row]), int(self.crc[row]))


class PackedPlace(NamedTuple):
    """Where the bytes of a tile are in its pack, and what they are."""

    codec: Codec
    offset: int
    size: int
    crc: int


def write_pack(path: Path, facts: Mapping[str, Any], tiles: Iterable[PackedTile]) -> None:
    """A pack of these tiles, whole or not at all; the same tiles give the same bytes.

    Args:
        path: Where; written under a temporary name, then renamed.
        facts: JSON-able; `read_pack_index` gives them back.
        tiles: By ascending tile_id.
    """
    rows: list[dict[str, Any]] = []
    with (
        replacing(path) as temporary,
        temporary.open("wb") as file,
        zipfile.ZipFile(file, "w") as archive,
    ):
        for tile in tiles:
            rows.append(_append(file, archive, tile))
        columns = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
        content = {"pack": VERSION, "histotile": __version__, **facts, "tiles": columns}
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        info, offset = _member(file, archive, _INDEX, text.encode())
        comment = _COMMENT.format(_INDEX, offset, info.file_size, info.CRC)
        archive.comment = comment.encode("ascii")


def _append(file: BinaryIO, archive: zipfile.ZipFile, tile: PackedTile) -> dict[str, Any]:
    """The tile's row of the index, once its bytes are in the archive."""
    row: dict[str, Any] = {
        "tile_id": tile.tile_id,
        "x": tile.x,
        "y": tile.y,
        "codec": int(tile.codec),
    }
    if tile.codec is Codec.DAMAGED:
        return row | {"offset": 0, "size": 0, "crc": 0}
    name = f"{tile.tile_id}.{_ENDING[tile.codec]}"
    info, offset = _member(file, archive, name, tile.data)
    return row | {"offset": offset, "size": info.file_size, "crc": info.CRC}


def _member(
    file: BinaryIO, archive: zipfile.ZipFile, name: str, data: bytes
) -> tuple[zipfile.ZipInfo, int]:
    """The new member, and where in the file its bytes begin."""
    info = zipfile.ZipInfo(name)  # dated 1980: a pack's bytes depend on its tiles alone
    archive.writestr(info, data)
    return info, file.tell() - len(data)


def read_pack_index(path: Path) -> PackIndex:
    """What a pack says of itself.

    Raises:
        HistotileError: The file is missing, cut short, no pack, or one of another version.
    """
    content = _content(path)
    if content.get("pack") != VERSION:
        fact = f"a pack of version {content.get('pack')}; this histotile reads {VERSION}"
        raise HistotileError(path, fact, _REMEDY)
    tiles = content.pop("tiles")
    whole = ("tile_id", "x", "y", "codec", "offset", "size", "crc")
    columns: dict[str, Any] = {name: np.array(tiles.get(name, []), np.int64) for name in whole}
    return PackIndex(path, content, **columns)


def _content(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as handle:
            length = os.fstat(handle.fileno()).st_size
            tail = os.pread(handle.fileno(), _TAIL, max(0, length - _TAIL))
            found = _FOUND.search(tail)
            if found is None:
                fact = "no pack of tiles, or one that was cut short"
                raise HistotileError(path, fact, _REMEDY)
            offset, size, crc = map(int, found.groups())
            text = os.pread(handle.fileno(), size, offset)
    except OSError as error:
        raise HistotileError(path, f"cannot be read ({error})", _REMEDY) from error
    if len(text) != size or zlib.crc32(text) != crc:
        raise HistotileError(path, "its index is damaged", _REMEDY)
    content: dict[str, Any] = json.loads(text)
    return content


def decode_place(path: Path, data: bytes, place: PackedPlace, tile_px: int) -> Rgb:
    """The pixels in the bytes read from a place of a pack.

    Args:
        path: The pack, for errors.
        data: The bytes found there.
        place: Of a tile that is not damaged.
        tile_px: Side of the tile, px.

    Raises:
        HistotileError: The bytes are not those that were written.
    """
    if len(data) != place.size or zlib.crc32(data) != place.crc:
        raise HistotileError(path, f"damaged at byte {place.offset}", _REMEDY)
    try:
        return decode(place.codec, data, tile_px)
    except ValueError as error:
        fact = f"no tile of {tile_px} px at byte {place.offset} ({error})"
        raise HistotileError(path, fact, _REMEDY) from error
