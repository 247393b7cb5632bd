"""What is really on a synthetic slide: outlines, masks, parameters."""

import json
import uuid
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from shapely import Polygon, box, contains_xy

from histotile.io.atomic import replacing, write_text
from histotile.synthetic.slides.arrays import Bytes, Doubles
from histotile.synthetic.slides.lesions import outline
from histotile.synthetic.slides.world import World

MASK_DOWNSAMPLE = 16


def lesion_outlines(world: World) -> list[Doubles]:
    """The outline of every focus, cut at the slide's border: (points, 2) open, level-0 px."""
    border = box(0, 0, world.width, world.height)
    inside = (Polygon(outline(focus)).intersection(border) for focus in world.foci)
    parts = (max(getattr(p, "geoms", [p]), key=lambda part: part.area) for p in inside)
    return [np.array(part.exterior.coords)[:-1] for part in parts if part.area > 0]


def write_outlines(path: Path, named: Sequence[tuple[str, Doubles]]) -> None:
    """A GeoJSON file that QuPath reads, one annotation per outline.

    Args:
        path: Where.
        named: Class name and outline (points, 2) in level-0 px. These slides have no bounds
            offset, so level-0 px are also what QuPath counts.
    """
    features = [_feature(name, points, n) for n, (name, points) in enumerate(named)]
    collection = {"type": "FeatureCollection", "features": features}
    write_text(path, json.dumps(collection, allow_nan=False) + "\n")


def _feature(name: str, points: Doubles, number: int) -> dict[str, object]:
    ring = [[round(float(x), 1), round(float(y), 1)] for x, y in points]
    colours = {"Tumor": [200, 0, 0]}
    kind = {"name": name, "color": colours.get(name, [0, 120, 200])}
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {number} {ring[0]} {ring[1]}")),
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        "properties": {"objectType": "annotation", "classification": kind, "isLocked": True},
    }


def write_mask(path: Path, world: World, outlines: Sequence[tuple[int, Doubles]]) -> None:
    """An 8-bit PNG at 1/16: 0 nothing, else the value of the outline around the pixel's centre.

    Args:
        path: Where.
        world: The slide that the mask covers as a whole.
        outlines: Grey value and outline (points, 2) in level-0 px.
    """
    size = (-(-world.height // MASK_DOWNSAMPLE), -(-world.width // MASK_DOWNSAMPLE))
    mask: Bytes = np.zeros(size, np.uint8)
    for value, points in outlines:
        low = np.maximum(points.min(axis=0) // MASK_DOWNSAMPLE, 0).astype(int)
        high = np.minimum(points.max(axis=0) // MASK_DOWNSAMPLE + 1, size[::-1]).astype(int)
        x, y = ((np.arange(low[k], high[k]) + 0.5) * MASK_DOWNSAMPLE for k in range(2))
        inside = contains_xy(Polygon(points), x[None], y[:, None])
        mask[low[1] : high[1], low[0] : high[0]][inside] = value
    _, data = cv2.imencode(".png", mask)
    with replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())
