"""Annotations drawn as an image whose pixel values are labels."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import affinity
from shapely.geometry.base import BaseGeometry

from histotile.errors import HistotileError
from histotile.slides.annotations.mask_image import REMEDY, open_mask
from histotile.slides.annotations.shapes import Shape

_MOST_LABELS = 256
_MOST_EDGES = 4_000_000  # of px; more is a photograph, or noise
_NAMED = 8


def decode(path: Path, size: tuple[int, int]) -> list[Shape]:
    """One area per pixel value above 0, named by the value, in level-0 px.

    The image covers the whole slide (not its bounds); its scale follows from the sizes. Outlines
    run along the edges of its pixels. Images of three channels are taken where the channels are
    equal, and where green and blue are 0: then red is the label. Of a pyramid, the finest level
    counts. Palettes of colours give the numbers in the palette, 1-bit images the value 1.

    Args:
        path: A PNG, BMP or TIFF.
        size: (width, height) of the slide, level-0 px.

    Raises:
        HistotileError: Unreadable, coloured otherwise, too large, of other proportions than the
            slide, or of so many values or edges that it is no label mask.
    """
    with open_mask(path) as image:
        across, down = size[0] / image.width, size[1] / image.height
        if abs(across / down - 1) > 0.02 + 1 / min(image.width, image.height):
            fact = (
                f"{image.width} x {image.height} px does not have the proportions of the slide "
                f"({size[0]} x {size[1]} px)"
            )
            raise HistotileError(path, fact, REMEDY)
        parts: dict[int, list[BaseGeometry]] = defaultdict(list)
        edges, kinds = 0, set[str]()
        for top, band in image.bands:
            labels = _labels(path, band, kinds)
            for value in _values(labels):
                edges += _collect(parts[value], labels == value, top) if value else 0
            if len(parts) > _MOST_LABELS or edges > _MOST_EDGES:
                fact = "it has more values and edges than a mask of labels: a picture, or objects"
                raise HistotileError(path, fact, "give each kind of tissue one number")
    return [
        Shape(str(value), affinity.scale(_whole(parts[value]), across, down, origin=(0, 0)))
        for value in sorted(parts)
        if value
    ]


def _labels(path: Path, band: NDArray[Any], kinds: set[str]) -> NDArray[Any]:
    """One label per px, (rows, width); whether grey or red gave it is added to the kinds."""
    if band.ndim == 3 and band.shape[2] in {2, 4}:
        band = _opaque(path, band)
    if band.ndim == 3 and band.any():
        kinds.add("grey" if (band == band[..., :1]).all() else "red")
    is_red = band.ndim == 3 and "red" in kinds
    if is_red and (len(kinds) > 1 or band.shape[2] != 3 or band[..., 1:].any()):
        colours = np.unique(band.reshape(-1, band.shape[2]), axis=0).tolist()
        more = f" and {len(colours) - _NAMED} more" if len(colours) > _NAMED else ""
        named = ", ".join(str(tuple(colour)) for colour in colours[:_NAMED])
        fact = (
            f"a mask holds one whole number per px, or a number in red and 0 in green and blue; "
            f"this one holds the colours {named}{more}"
        )
        raise HistotileError(path, fact, f"give each colour a number: {REMEDY}")
    band = band[..., 0] if band.ndim == 3 else band
    if band.dtype.kind not in "biu":
        fact = f"a mask holds one whole number per px, not {band.dtype}"
        raise HistotileError(path, fact, REMEDY)
    return band.astype(np.uint8) if band.dtype.kind == "b" else band


def _values(labels: NDArray[Any]) -> list[int]:
    if labels.dtype.kind == "u" and labels.dtype.itemsize <= 2:  # no sorting of millions
        return np.flatnonzero(np.bincount(labels.ravel())).tolist()
    return [int(value) for value in np.unique(labels)]


def _opaque(path: Path, band: NDArray[Any]) -> NDArray[Any]:
    """The channels without the alpha channel, if that hides nothing."""
    alpha, rest = band[..., -1], band[..., :-1]
    if rest[alpha != np.iinfo(band.dtype).max].any():
        raise HistotileError(path, "some of its labels are transparent", REMEDY)
    return rest


def _collect(parts: list[BaseGeometry], mask: NDArray[np.bool_], top: int) -> int:
    """Add the outline of the true px to the parts; how many edges of px it has."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x, y = int(columns[0]), int(rows[0])
    inner = mask[y : rows[-1] + 1, x : columns[-1] + 1]
    edges = int((inner[1:] != inner[:-1]).sum() + (inner[:, 1:] != inner[:, :-1]).sum())
    if edges <= _MOST_EDGES:
        parts.append(affinity.translate(_outline(inner), x, top + y))
    return edges


def _outline(mask: NDArray[np.bool_]) -> BaseGeometry:
    """The area of the true pixels; pixel (row, column) covers column..column+1, row..row+1."""
    if mask.all():
        return shapely.box(0, 0, mask.shape[1], mask.shape[0])
    padded = np.pad(mask, 1)
    rows, columns = np.nonzero(padded[1:] != padded[:-1])  # horizontal edges, at y = row
    flat = np.stack([columns - 1, rows, columns, rows], axis=1)
    rows, columns = np.nonzero(padded[:, 1:] != padded[:, :-1])  # vertical edges, at x = column
    upright = np.stack([columns, rows - 1, columns, rows], axis=1)
    edges = np.concatenate([flat, upright]).reshape(-1, 2, 2).astype(float)
    faces = shapely.get_parts(shapely.polygonize(shapely.linestrings(edges)))
    inside = shapely.get_coordinates(shapely.point_on_surface(faces))
    x, y = np.floor(inside).astype(int).T
    return shapely.simplify(shapely.union_all(faces[mask[y, x]]), 0)


def _whole(parts: list[BaseGeometry]) -> BaseGeometry:
    return parts[0] if len(parts) == 1 else shapely.simplify(shapely.union_all(parts), 0)
