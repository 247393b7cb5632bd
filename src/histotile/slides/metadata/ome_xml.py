"""The scale that a TIFF's description states: OME-XML, or ImageJ's."""

import math
import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from histotile.slides.metadata.properties import positive

Size = tuple[int, int]


def ome_mpp(description: str, size: Size | None) -> tuple[float, float] | None:
    """Mpp in x and y (um per level-0 px) by OME-XML's PhysicalSizeX and -Y; None if it says none.

    Of several images that of the slide's size counts (label and macro have a scale of their own),
    else the first. Without a unit the values are um, as OME defines; units that are no lengths
    ("pixel", "reference frame") say nothing.

    Args:
        description: Of the TIFF file.
        size: Width and height of level 0, px.
    """
    images = _images(description)
    right = [e for e in images if size and (e.get("SizeX"), e.get("SizeY")) == _texts(size)]
    for pixels in (right or images)[:1]:
        x, y = _length_um(pixels, "X"), _length_um(pixels, "Y")
        return (x or y or 0.0, y or x or 0.0) if x or y else None
    return None


def colour_planes(description: str) -> int | None:
    """Of a picture in three grey pages named red, green, blue: from one to the next, in pages.

    None of any other file. The three are those of the first focal plane and time.

    Args:
        description: Of the TIFF file.
    """
    for pixels in _images(description)[:1]:
        channels = [e for e in pixels if e.tag.rpartition("}")[2] == "Channel"]
        names = [(e.get("Name") or "").strip().lower() for e in channels]
        single = all(e.get("SamplesPerPixel", "1") == "1" for e in channels)
        order = pixels.get("DimensionOrder", "XYCZT")
        if single and names in (["red", "green", "blue"], ["r", "g", "b"]) and "C" in order:
            faster = order[2 : order.index("C")]
            return math.prod(int(positive(pixels.get(f"Size{axis}")) or 1) for axis in faster)
    return None


def imagej_mpp(properties: Mapping[str, str]) -> float | None:
    """Mpp that ImageJ's description and the resolution tags mean together; None without both."""
    unit = re.search(r"^unit=(.*)$", properties.get("tiff.ImageDescription", ""), re.M)
    x = positive(properties.get("tiff.XResolution"))
    if unit is None or x is None or properties.get("tiff.ResolutionUnit") != "none":
        return None
    name = unit[1].strip().replace("\\u00B5", "µ")
    return _UM.get(name, 0.0) / x or None


_UM = {
    **dict.fromkeys(("µm", "μm", "um", "micron", "microns", "micrometer", "micrometre"), 1.0),
    **dict.fromkeys(("nm", "nanometer", "nanometre"), 1e-3),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), 1e3),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), 1e4),
    **dict.fromkeys(("in", "inch"), 25400.0),
    "pm": 1e-6,
    "Å": 1e-4,
    "dm": 1e5,
    "m": 1e6,
    "thou": 25.4,
    "mil": 25.4,
}


def _images(description: str) -> list[Element]:
    """The Pixels elements of OME-XML; none of another text."""
    if "<OME" not in description[:4096] and ":OME" not in description[:4096]:
        return []
    try:
        root = fromstring(description.strip().rstrip("\0").encode())
    except (ParseError, DefusedXmlException, ValueError):
        return []
    return [e for e in root.iter() if e.tag.rpartition("}")[2] == "Pixels"]


def _length_um(pixels: Element, axis: str) -> float | None:
    value = positive(pixels.get(f"PhysicalSize{axis}"))
    unit = _UM.get(pixels.get(f"PhysicalSize{axis}Unit", "µm").strip())
    return value * unit if value and unit else None


def _texts(size: Size) -> tuple[str, str]:
    return str(size[0]), str(size[1])
