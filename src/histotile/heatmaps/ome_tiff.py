"""The probabilities of a slide as pyramidal OME-TIFF: as data, and coloured for viewers."""

import hashlib
import json
import re
import struct
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile import __version__
from histotile.config import Heatmap
from histotile.errors import HistotileError
from histotile.heatmaps.heatmap import class_shown, colours
from histotile.heatmaps.probability_map import ProbabilityMap
from histotile.io.atomic import replacing
from histotile.io.palette import Colour, class_colours
from histotile.tasks.registry import AUTO

Values = NDArray[np.float32]

_TILE = 256  # px; the smallest level fits into one
_PLACE = ("x0", "y0", "step", "covered")
_OURS = "histotile/probability-map"  # namespace of our annotation
# What tifffile, its decoders and the XML parser raise on files that are no map, or no longer.
_DAMAGE = (OSError, ValueError, LookupError, TypeError, RuntimeError, SyntaxError, struct.error)
# What XML 1.0 forbids, and what its readers may change on the way.
_NOT_XML = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def write_map(
    path: Path, found: ProbabilityMap, mpp: float | None, facts: Mapping[str, Any]
) -> None:
    """A pyramidal OME-TIFF of 32-bit floats: one channel per class, NaN where there is no tile.

    One px is one cell of the map: px (row i, column j) of the first level covers x0 + j * step and
    y0 + i * step onwards (level-0 px of the slide), so its top-left corner is that of the scanned
    area. Each further level is a SubIFD of half the size, the mean of what is known of four px,
    until one tile of 256 px holds it. A MapAnnotation tells task, classes, x0, y0, step, covered,
    mpp and `facts`, each value as JSON, so that `read_map` gives back exactly what was written.
    The same map gives the same bytes.

    Args:
        path: Where; whole or not at all.
        found: The map.
        mpp: Micrometres per level-0 px; None (or 0) if unknown: there is no physical size then.
        facts: More to tell, e.g. slide_id, models and note; JSON.
    """
    shown = class_colours(found.classes)
    channels = {
        "Name": [_plain(name) for name in found.classes],
        "Color": [_ome_colour(shown[name]) for name in found.classes],
    }
    levels = halvings(found.values)
    _write(path, levels, "CYX", _metadata(found, mpp, facts) | {"Channel": channels}, mpp)


def write_colour_map(
    path: Path,
    found: ProbabilityMap,
    settings: Heatmap,
    mpp: float | None,
    facts: Mapping[str, Any],
) -> None:
    """A pyramidal OME-TIFF in 8-bit RGB of the class shown; white where there is no tile.

    Laid out as by `write_map`; `settings.colormap` colours the mean probabilities of each level.
    OpenSlide reads the first level as a generic TIFF.

    Args:
        path: Where; whole or not at all.
        found: The map.
        settings: Class and colour map.
        mpp: Micrometres per level-0 px; None (or 0) if unknown.
        facts: More to tell; JSON.

    Raises:
        HistotileError: `settings.class_name` is not in the map.
    """
    shown = class_shown(found, settings)
    levels = [
        _coloured(found.meaning(shown).share(level[0]), settings)
        for level in halvings(found.layer(shown)[None])
    ]
    look = {"class_shown": shown, "colormap": settings.colormap}
    metadata = _metadata(found, mpp, {**facts, **look}) | {"Channel": {"Name": _plain(shown)}}
    _write(path, levels, "YXS", metadata, mpp)


def read_map(path: Path) -> tuple[ProbabilityMap, dict[str, Any]]:
    """The map that `write_map` wrote, exactly, and its facts with `mpp` among them.

    Raises:
        HistotileError: The file is missing, damaged or no such map.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            facts = _annotation(tiff.ome_metadata or "")
            classes, kind = tuple(facts.pop("classes")), str(facts.pop("task", AUTO))
            options = facts.pop("task_options", {})
            pages = [tiff.pages[c].asarray() for c in range(len(classes))]
        place = {name: float(facts.pop(name)) for name in _PLACE}
        values = np.stack(pages)
        if values.dtype != np.float32 or values.ndim != 3:
            raise ValueError(f"its px are {values.dtype}, {values.ndim - 1} axes")
    except _DAMAGE as error:
        raise HistotileError(path, f"not a readable map ({error})", "make it again") from error
    return ProbabilityMap(values, classes, **place, kind=kind, options=options), facts


def halvings(values: Values) -> list[Values]:
    """(C, H, W) and its halves of halves until one is at most 256 px wide and high.

    A px of the next level is the mean of those of its four that are known, NaN where none is; an
    odd last row or column is halved by itself.
    """
    levels = [values]
    while max(levels[-1].shape[1:]) > _TILE:
        levels.append(_halved(levels[-1]))
    return levels


def _halved(values: Values) -> Values:
    layers, height, width = values.shape
    even = np.pad(
        values, ((0, 0), (0, height % 2), (0, width % 2)), mode="constant", constant_values=np.nan
    )
    fours = even.reshape(layers, even.shape[1] // 2, 2, even.shape[2] // 2, 2)
    known = ~np.isnan(fours)
    total = fours.sum(axis=(2, 4), where=known, dtype=np.float64)
    count = known.sum(axis=(2, 4))
    mean = np.full(total.shape, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean.astype(np.float32)


def _coloured(layer: Values, settings: Heatmap) -> NDArray[np.uint8]:
    known = ~np.isnan(layer)
    rgb = np.full((*layer.shape, 3), 255, np.uint8)
    rgb[known] = colours(layer[known], settings)
    return rgb


def _metadata(found: ProbabilityMap, mpp: float | None, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What both kinds of map say in OME's terms."""
    place = {name: getattr(found, name) for name in _PLACE}
    note = {**facts, "task": found.kind, "classes": list(found.classes), **place, "mpp": mpp}
    note |= {"task_options": dict(found.options)} if found.options else {}
    told = {str(key): _exact(value) for key, value in note.items()}
    content = hashlib.sha256(json.dumps(told).encode() + found.values.tobytes()).hexdigest()
    metadata: dict[str, Any] = {
        "UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{_OURS}/{content}")),
        "Creator": f"histotile {__version__}",
        "Name": _plain(str(facts.get("slide_id", "probability map"))),
        "Description": _plain(str(facts.get("note", "Probabilities of tiles"))),
        "MapAnnotation": {"Namespace": _OURS, "Value": told},
    }
    if mpp:
        size = found.step * mpp
        metadata |= {f"PhysicalSize{axis}": size for axis in "XY"}
        metadata |= {f"PhysicalSize{axis}Unit": "µm" for axis in "XY"}
    return metadata


def _write(
    path: Path,
    levels: Sequence[NDArray[Any]],
    axes: str,
    metadata: dict[str, Any],
    mpp: float | None,
) -> None:
    """The first level with the others as its SubIFDs, each tagged with its own resolution."""
    import tifffile

    kind = "minisblack" if axes == "CYX" else "rgb"
    with (
        replacing(path) as temporary,
        tifffile.TiffWriter(temporary, ome=True, bigtiff=False) as tiff,
    ):
        for k, level in enumerate(levels):
            per_cm = 1e4 / (metadata["PhysicalSizeX"] * 2**k) if mpp else None
            tiff.write(
                level,
                photometric=kind,
                planarconfig="contig" if axes == "YXS" else None,
                tile=(_TILE, _TILE),
                compression="zlib",
                maxworkers=1,
                software=False,
                subifds=len(levels) - 1 if k == 0 else None,
                subfiletype=1 if k else 0,
                resolution=(per_cm, per_cm) if per_cm else None,
                resolutionunit="CENTIMETER" if per_cm else None,
                metadata=metadata | {"axes": axes} if k == 0 else None,
            )


def _annotation(ome_xml: str) -> dict[str, Any]:
    """What our annotation in OME-XML tells."""
    from defusedxml import ElementTree

    pairs = ElementTree.fromstring(ome_xml).iterfind(
        f".//{{*}}MapAnnotation[@Namespace='{_OURS}']/{{*}}Value/{{*}}M"
    )
    return {pair.attrib["K"]: json.loads(pair.text or "") for pair in pairs}


def _exact(value: object) -> str:
    """JSON that XML carries unchanged."""
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _plain(text: str) -> str:
    """Text for people that XML can carry; what it cannot becomes the sign for the unknown."""
    return _NOT_XML.sub("\ufffd", text)


def _ome_colour(colour: Colour) -> int:
    """OME's colour: red, green, blue and opacity in one signed 32-bit number."""
    packed = int.from_bytes(bytes((*colour, 255)), "big")
    return packed - 2**32 if packed >= 2**31 else packed
