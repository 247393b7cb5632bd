"""Whether a slide is still the one that earlier stages saw, told in milliseconds."""

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from histotile.errors import HistotileError
from histotile.io.identity import Identity, words
from histotile.io.tile_spec import TileSpec
from histotile.slides.opening.files import slide_files

_ENDS = 1 << 16  # bytes hashed at the head and at the tail of the slide file
_BLOCKS, _BLOCK = 16, 1 << 12  # and in between, evenly spread
_MOST_PAGES, _MOST_ENTRIES, _MOST_INDEX = 64, 4096, 1 << 22


def identify(path: Path) -> dict[str, Any]:
    """What tells a slide from any other version of it: files, bytes, and a digest of samples.

    The digest covers head, tail and 16 blocks between; of a TIFF also its directories with the
    length of every compressed tile, which no two scans share; of companion files name, length,
    head and tail. Dates do not count, nor the place: a copy is the same slide.

    Args:
        path: The slide file, or the folder of a DICOM series.

    Raises:
        HistotileError: There is no such file.
    """
    files = slide_files(path)
    if not files:
        raise HistotileError(path, "there is no such file", "mend its path")
    hasher, size = hashlib.sha256(), 0
    for number, file in enumerate(files):
        length = file.stat().st_size
        size += length
        with file.open("rb") as handle:
            if number:
                hasher.update(f"{file.name}\0{length}\0".encode())
            for piece in _companion(handle, length) if number else _main(handle, length):
                hasher.update(piece)
    return {"files": len(files), "bytes": size, "digest": hasher.hexdigest()[:32]}


def check_identity(path: Path, known: Identity | None, slide_id: str) -> None:
    """Nothing, if the slide is the one known, or none is, as in tables of older make.

    Args:
        path: Where the slide is read from now.
        known: What `identify` told when the slide was inspected.
        slide_id: Its name in the cohort.

    Raises:
        HistotileError: The slide was replaced or changed since, or is gone.
    """
    if known and not path.exists():
        raise HistotileError(
            path,
            f"slide {slide_id} is no longer here",
            "put it back; if it was moved, write its new place into the cohort file and run the "
            "workflow again, or inspect and tile it there",
        )
    if known and (now := identify(path)) != known:
        raise HistotileError(
            path,
            f"slide {slide_id} was replaced or changed since it was inspected: {words(known)} "
            f"then, {words(now)} now; positions and labels found then are those of another slide",
            "inspect, mask and tile it again (the workflow does so by itself), or put the former "
            "file back",
        )


def check_table(spec: TileSpec, slide: Path | None = None) -> None:
    """`check_identity` of the slide of a tile table; None: where that saw it."""
    check_identity(spec.place(slide), spec.identity, spec.slide_id)


def _main(file: BinaryIO, size: int) -> Iterator[bytes]:
    yield from _at(file, 0, _ENDS)
    yield from _at(file, max(0, size - _ENDS), _ENDS)
    for number in range(1, _BLOCKS + 1):
        yield from _at(file, size * number // (_BLOCKS + 1), _BLOCK)
    yield from _directories(file, size)


def _companion(file: BinaryIO, size: int) -> Iterator[bytes]:
    yield from _at(file, 0, _BLOCK)
    yield from _at(file, max(0, size - _BLOCK), _BLOCK)


def _at(file: BinaryIO, offset: int, length: int) -> Iterator[bytes]:
    file.seek(offset)
    yield file.read(length)


def _directories(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Of a TIFF its directories, and the lengths of the compressed tiles or strips of each."""
    file.seek(0)
    head = file.read(16).ljust(16, b"\0")
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or head[2:4] not in {b"*\0", b"\0*", b"+\0", b"\0+"}:
        return
    big = b"+" in head[2:4]
    number, entry, place = (
        struct.Struct(order + kind) for kind in (("Q", "HHQQ", "Q") if big else ("H", "HHII", "I"))
    )
    seen: set[int] = set()
    (at,) = place.unpack_from(head, place.size)
    while 0 < at < size and at not in seen and len(seen) < _MOST_PAGES:
        seen.add(at)
        file.seek(at)
        (count,) = number.unpack(file.read(number.size).ljust(number.size, b"\0"))
        directory = file.read(min(count, _MOST_ENTRIES) * entry.size)
        (at,) = place.unpack(file.read(place.size).ljust(place.size, b"\0"))
        yield directory
        whole = len(directory) // entry.size * entry.size
        for tag, kind, many, where in entry.iter_unpack(directory[:whole]):
            length = many * _WIDTHS.get(kind, 0)
            if tag in _LENGTHS and length > place.size and where < size:
                yield from _at(file, where, min(length, _MOST_INDEX))


_WIDTHS = {3: 2, 4: 4, 13: 4, 16: 8, 18: 8}  # bytes of TIFF's whole numbers
_LENGTHS = {279, 325}  # tags StripByteCounts, TileByteCounts
