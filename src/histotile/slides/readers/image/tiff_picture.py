"""Which pages of a TIFF file are the levels of one picture, and what the file says of it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import tifffile

from histotile.errors import HistotileError
from histotile.slides.diagnosis import AGAIN, missing_pixels
from histotile.slides.levels.scale import level_scale
from histotile.slides.metadata.ome_xml import colour_planes
from histotile.slides.metadata.properties import positive
from histotile.slides.readers.image.segments import Picture, Segments
from histotile.slides.readers.image.tiff_parts import Page, page_segments
from histotile.slides.readers.protocol import Unsuited
from histotile.slides.readers.tiff.tiff_file import OddTiff, open_tiff

Size = tuple[int, int]


def open_tiff_picture(path: Path) -> Picture:
    """The largest page of a TIFF file, and its smaller copies: SubIFDs, or pages of its form.

    Three grey pages that OME-XML names red, green and blue are one picture. Of several focal
    planes or times the first is read, and a remark says so; of several channels, too, which the
    colour check then refuses.

    Raises:
        Unsuited: Damaged, of a kind that is not known, or too large to be decoded.
    """
    cut = missing_pixels(path)
    if cut:
        raise Unsuited(HistotileError(path, cut, AGAIN), final=True)
    try:
        with open_tiff(path) as tiff:
            return _open(path, tiff)
    except OddTiff as error:
        fact = f"a TIFF whose directory cannot be read: {error}"
        raise Unsuited(HistotileError(path, fact, AGAIN), final=False) from error


def _open(path: Path, tiff: tifffile.TiffFile) -> Picture:
    pages = [page for page in tiff.pages if isinstance(page, Page)]
    first = max(pages, key=lambda page: page.imagewidth * page.imagelength)
    planes = _planes(tiff, pages) or [first]
    levels, remarks = [page_segments(path, planes)], []
    for copies in _smaller(planes, pages):
        try:
            levels.append(page_segments(path, copies))
        except Unsuited as error:
            remarks.append(f"a smaller copy in the file is not read: {error.refusal.fact}")
    levels.sort(key=lambda level: -level.width * level.height)
    alike = sum(_size(page) == _size(planes[0]) for page in pages) - len(planes) + 1
    if alike > 1 and first.samplesperpixel > 1:
        remarks.append(f"the first of {alike} pictures of its size is read (focal planes, times)")
    if int(planes[0].bitspersample) > 8:
        remarks.append(f"{planes[0].bitspersample} bits of a channel are shown as 8")
    layout = "tiles" if planes[0].is_tiled else "strips"
    codec = getattr(planes[0].compression, "name", planes[0].compression)
    words = f"TIFF in {layout}, compression {codec}"
    properties = _properties(planes[0], levels)
    return Picture("generic-tiff", words, levels, properties, tuple(remarks), len(planes) > 1)


def _planes(tiff: tifffile.TiffFile, pages: Sequence[Page]) -> list[Page] | None:
    """The pages of red, green and blue of the first focal plane, if OME-XML tells of such."""
    apart = colour_planes(tiff.ome_metadata or "") if tiff.is_ome else None
    wanted = [pages[k * apart] for k in range(3) if k * apart < len(pages)] if apart else []
    grey = all(p.samplesperpixel == 1 and _size(p) == _size(wanted[0]) for p in wanted)
    return wanted if len(wanted) == 3 and grey else None


def _smaller(planes: Sequence[Page], pages: Sequence[Page]) -> Iterator[list[Page]]:
    """The pages of each smaller copy of a picture."""
    below = [list(plane.pages) if plane.pages else [] for plane in planes]
    yield from (list(copies) for copies in zip(*below, strict=False))
    size = _size(planes[0])
    for page in pages if len(planes) == 1 else ():
        other = _size(page)
        fits = min(other) > 0 and bool(level_scale(size, other, _downsample(size, other), None)[0])
        same = page.samplesperpixel == planes[0].samplesperpixel
        if max(other) < max(size) and fits and same:
            yield [page]


def _size(page: Page) -> Size:
    return int(page.imagewidth), int(page.imagelength)


def _downsample(full: Size, size: Size) -> float:
    """As OpenSlide reckons it."""
    return (full[0] / size[0] + full[1] / size[1]) / 2


def _properties(page: Page, levels: Sequence[Segments]) -> dict[str, str]:
    """What OpenSlide tells of a TIFF file."""
    found = {}
    names = ("ImageDescription", "Make", "Model", "Software", "DateTime", "Artist")
    for name in names:
        tag = page.tags.get(name)
        if tag is not None and isinstance(tag.value, str):
            found[f"tiff.{name}"] = tag.value
    unit = page.tags.get("ResolutionUnit")
    code = int(unit.value) if unit is not None else 2
    found["tiff.ResolutionUnit"] = {2: "inch", 3: "centimeter"}.get(code, "none")
    for axis in "XY":
        tag = page.tags.get(f"{axis}Resolution")
        if tag is not None and tag.value[1]:
            found[f"tiff.{axis}Resolution"] = f"{tag.value[0] / tag.value[1]:.17g}"
            value = positive(found[f"tiff.{axis}Resolution"])
            um = {2: 25400, 3: 10000}.get(code)
            if value and um:
                found[f"openslide.mpp-{axis.lower()}"] = f"{um / value:.17g}"
    for number, level in enumerate(levels):
        for side, px in (("width", level.width), ("height", level.height)):
            found[f"openslide.level[{number}].{side}"] = str(px)
        if page.is_tiled:
            for side, px in (("width", level.tile_width), ("height", level.tile_height)):
                found[f"openslide.level[{number}].tile-{side}"] = str(px)
    return found
