"""What the viewer of a slide page lays over the slide, as JSON inside the page."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from markupsafe import Markup
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon

from histotile.heatmaps.probability_map import ProbabilityMap
from histotile.io.palette import Colour, class_colours
from histotile.reports.images import data_uri
from histotile.reports.slide.deepzoom import TILE_PX, Pyramid
from histotile.reports.wording import reason

Ints = NDArray[np.integer[Any]]
Places = tuple[Ints, Ints]  # x and y of tiles: left and top edges, level-0 px

_OTHER: Colour = (128, 128, 128)
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


@dataclass(frozen=True)
class Outline:
    """An area drawn by a person.

    Args:
        name: What the annotator called it.
        class_name: The class it stands for; None: none.
        polygon: The area in level-0 px of the slide.
    """

    name: str
    class_name: str | None
    polygon: Polygon | MultiPolygon


@dataclass(frozen=True)
class Scene:
    """What lies over a slide. Positions are level-0 px of the whole slide.

    Args:
        width: Of the whole slide, not only of its bounds.
        height: Likewise.
        mpp: Micrometres per level-0 px; None if unknown.
        shown: Class shown first.
        threshold: Probability at which the contour is drawn first.
        opacity: Opacity where the probability is 1.
        colormap: Name of matplotlib's colour map.
        found: Map of the probabilities; it names the classes.
        side: Exact side of a tile.
        places: Left and top edges of the N predicted tiles.
        probabilities: (N, C).
        rejected: Why -> tiles set aside.
        marked: Mark of quality -> tiles in use that bear it.
        outlines: What people drew.
        mask: PNG of the whole slide, white where there is tissue; None: not known.
    """

    width: int
    height: int
    mpp: float | None
    shown: str
    threshold: float
    opacity: float
    colormap: str
    found: ProbabilityMap
    side: float
    places: Places
    probabilities: NDArray[np.floating[Any]]
    rejected: Mapping[str, Places] = field(default_factory=dict)
    marked: Mapping[str, Places] = field(default_factory=dict)
    outlines: Sequence[Outline] = ()
    mask: bytes | None = None


def scene_json(scene: Scene, picture: Pyramid) -> Markup:
    """The scene as strict JSON that may stand inside `<script type="application/json">`.

    It is ASCII without `<`, `>` and `&`, so that no text in it can end the element. Arrays are
    base64 of little-endian int32 or float32, row by row; NaN occurs in them alone.

    Args:
        scene: What to show.
        picture: The slide below it.

    Raises:
        ValueError: The class shown is not in the map.
    """
    colours = class_colours(scene.found.classes)
    data = {
        "slide": {"width": scene.width, "height": scene.height, "mpp": scene.mpp},
        "picture": _picture(picture),
        "classes": [{"name": name, "colour": _hex(rgb)} for name, rgb in colours.items()],
        "shown": scene.found.classes.index(scene.shown),
        "threshold": scene.threshold,
        "opacity": scene.opacity,
        "ramp": list_ramp(scene.colormap),
        "map": _map(scene.found),
        "tiles": {
            "side": scene.side,
            **_places(scene.places),
            "probabilities": _packed(scene.probabilities, "<f4"),
        },
        "rejected": _by_reason(scene.rejected),
        "marked": _by_reason(scene.marked),
        "outlines": [entry for outline in scene.outlines for entry in _rings(outline, colours)],
        "mask": None if scene.mask is None else data_uri(scene.mask),
    }
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for character, escaped in _ESCAPED.items():
        text = text.replace(character, escaped)
    return Markup(text)  # escaped for where it stands


def list_ramp(colormap: str) -> list[str]:
    """The 256 colours of a colour map as #rrggbb, for probabilities from 0 to 1."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colour) for colour in colormaps[colormap](np.linspace(0, 1, 256))]


def _picture(picture: Pyramid) -> dict[str, Any]:
    levels = []
    for level in picture.levels:
        facts: dict[str, Any] = {
            "width": level.width,
            "height": level.height,
            "columns": level.columns,
            "rows": level.rows,
        }
        levels.append(facts if picture.folder else facts | {"tiles": list(level.tiles)})
    return {
        "width": picture.width,
        "height": picture.height,
        "tile_px": TILE_PX,
        "levels": levels,
        "folder": picture.folder,
    }


def _map(found: ProbabilityMap) -> dict[str, Any]:
    _, rows, columns = found.values.shape
    return {
        "x0": float(found.x0),
        "y0": float(found.y0),
        "step": float(found.step),
        "covered": float(found.covered),
        "rows": rows,
        "columns": columns,
        "values": _packed(found.values, "<f4"),
    }


def _by_reason(tiles: Mapping[str, Places]) -> list[dict[str, str]]:
    return [{"reason": reason(why), **_places(places)} for why, places in tiles.items()]


def _places(places: Places) -> dict[str, str]:
    x, y = places
    return {"x": _packed(x, "<i4"), "y": _packed(y, "<i4")}


def _packed(values: NDArray[Any], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode("ascii")


def _rings(outline: Outline, colours: Mapping[str, Colour]) -> list[dict[str, Any]]:
    """One entry per polygon, rounded to hundredths of a px."""
    colour = colours.get(outline.class_name or "", _OTHER)
    return [
        {
            "name": outline.name,
            "colour": _hex(colour),
            "rings": [
                np.round(shapely.get_coordinates(ring), 2).tolist()
                for ring in (polygon.exterior, *polygon.interiors)
            ],
        }
        for polygon in shapely.get_parts(outline.polygon)
    ]


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
