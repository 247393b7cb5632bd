"""What a TIFF slide's pages say that OpenSlide passes over: turned, in grey pages, other scales."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import tifffile

from histotile.slides.metadata.properties import positive
from histotile.slides.mpp import SAME, Claim
from histotile.slides.readers.tiff.tiff_file import OddTiff, open_tiff

Size = tuple[int, int]


class TiffFacts(NamedTuple):
    """Facts of a TIFF file's pages.

    Attributes:
        orientation: As TIFF numbers it; 1: upright.
        scrambled: Whether OpenSlide turns each of its compressed tiles by itself for that.
        first: Width and height of the first page, px.
        grey: Whether the first page has one channel.
        channels: Pages of the first one's size with one channel each, if it is one of them.
        claims: What resolution tags of reduced pages say of level 0, where it is not the same.
    """

    orientation: int
    scrambled: bool
    first: Size
    grey: bool
    channels: int
    claims: tuple[Claim, ...]


def read_tiff_facts(
    path: Path, vendor: str, sizes: Sequence[Size], downsamples: Sequence[float]
) -> TiffFacts | None:
    """The facts of a plain TIFF or an Aperio slide; None for other formats.

    Args:
        path: The slide.
        vendor: As OpenSlide names it.
        sizes: Of each level, px.
        downsamples: Of each level.
    """
    if vendor not in {"aperio", "generic-tiff"}:
        return None
    try:
        with open_tiff(path) as tiff:
            pages = [page for page in tiff.pages if isinstance(page, tifffile.TiffPage)]
            return _facts(pages, sizes, downsamples)
    except OddTiff:
        return None  # no facts: what OpenSlide reads is judged by its pixels


def disorder(tiff: tifffile.TiffFile) -> str | None:
    """Which two tiled pages cannot be levels of one slide; None if all can.

    OpenSlide sorts them by width, and refuses the file where a narrower page stands for finer px.
    """
    pages = [page for page in tiff.pages if isinstance(page, tifffile.TiffPage) and page.is_tiled]
    sizes = sorted({(p.imagewidth, p.imagelength) for p in pages}, reverse=True)
    width, height = sizes[0] if sizes else (0, 0)
    for finer, size in itertools.pairwise(sizes):
        if width / size[0] + height / size[1] < width / finer[0] + height / finer[1]:
            return f"pages of {finer[0]} x {finer[1]} and of {size[0]} x {size[1]} px"
    return None


ORIENTATIONS = {
    2: "mirrored left to right",
    3: "turned by 180 degrees",
    4: "mirrored top to bottom",
    5: "mirrored along its diagonal",
    6: "turned by 90 degrees clockwise",
    7: "mirrored along its other diagonal",
    8: "turned by 90 degrees anticlockwise",
}
# TIFF's compressions that OpenSlide decodes by itself, leaving the tag alone: JPEG, JPEG 2000.
_AS_STORED = {7, 33003, 33005}


def _facts(
    pages: list[tifffile.TiffPage], sizes: Sequence[Size], downsamples: Sequence[float]
) -> TiffFacts:
    first = pages[0]
    size = first.imagewidth, first.imagelength
    tag = first.tags.get(274)
    orientation = int(tag.value) if tag is not None else 1
    turned_tiles = orientation in set(ORIENTATIONS) - {5}
    alike = [p for p in pages if (p.imagewidth, p.imagelength) == size and _is_grey(p)]
    return TiffFacts(
        orientation,
        turned_tiles and int(first.compression) not in _AS_STORED,
        size,
        _is_grey(first),
        len(alike) if _is_grey(first) else 0,
        tuple(_claims(pages, sizes, downsamples)),
    )


def _is_grey(page: tifffile.TiffPage) -> bool:
    return page.samplesperpixel == 1 and int(page.photometric) in {0, 1}


def _claims(
    pages: list[tifffile.TiffPage], sizes: Sequence[Size], downsamples: Sequence[float]
) -> list[Claim]:
    """Writers often copy level 0's tags to all levels: what is equal to them says nothing."""
    found = {(p.imagewidth, p.imagelength): _mpp(p) for p in reversed(pages) if p.is_tiled}
    own = found.get(sizes[0])
    claims = []
    for level, (size, downsample) in enumerate(zip(sizes, downsamples, strict=True)):
        tagged = found.get(size)
        if level and own and tagged and not 1 / SAME < tagged[0] / own[0] < SAME:
            x, y = (value / downsample for value in tagged)
            claims.append(Claim(f"TIFF tag of level {level}, less its downsample", x, y))
    return claims


def _mpp(page: tifffile.TiffPage) -> tuple[float, float] | None:
    units = {2: 25400.0, 3: 10000.0}
    unit = page.tags.get(296)
    um = units.get(int(unit.value)) if unit is not None else None
    sides = []
    for code in (282, 283):
        tag = page.tags.get(code)
        above, below = tag.value if tag is not None else (0, 1)
        sides.append(positive(str(above / below)) if below else None)
    return (um / sides[0], um / sides[1]) if um and sides[0] and sides[1] else None
