"""Annotations drawn as an image whose pixel values are labels."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from shapely import affinity
from shapely.geometry.base import BaseGeometry

from histotile.errors import HistotileError
from histotile.slides.annotation_geojson import Shapes

_MAX_PIXELS = 200_000_000
_REMEDY = "save it as a PNG or TIFF of one channel that covers the whole slide, 0 = nothing"


def decode(path: Path, size: tuple[int, int]) -> Shapes:
    """One area per pixel value above 0, named by the value, in level-0 px.

    The image covers the whole slide (not its bounds); its scale follows from the sizes. Outlines
    run along the edges of its pixels.

    Args:
        path: A PNG or TIFF of one channel.
        size: (width, height) of the slide, level-0 px.

    Raises:
        HistotileError: Unreadable, of several channels, too large, or of other proportions than
            the slide.
    """
    labels = _load(path)
    across, down = size[0] / labels.shape[1], size[1] / labels.shape[0]
    if abs(across / down - 1) > 0.02 + 1 / min(labels.shape):
        fact = (
            f"{labels.shape[1]} x {labels.shape[0]} px does not have the proportions of the slide "
            f"({size[0]} x {size[1]} px)"
        )
        raise HistotileError(path, fact, _REMEDY)
    return [
        (str(value), affinity.scale(_outline(labels == value), across, down, origin=(0, 0)))
        for value in np.unique(labels).tolist()
        if value != 0
    ]


def _load(path: Path) -> NDArray[Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # own limit below
            with Image.open(path) as image:
                if image.width * image.height > _MAX_PIXELS:
                    raise HistotileError(
                        path, f"{image.width} x {image.height} px is too large", "save it smaller"
                    )
                labels = np.asarray(image)
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise HistotileError(path, f"not a readable mask image ({error})", _REMEDY) from error
    if labels.ndim == 3 and (labels[..., :3] == labels[..., :1]).all():
        labels = labels[..., 0]
    if labels.ndim != 2 or labels.dtype.kind not in "biu":
        fact = f"a mask holds one whole number per px, not {labels.shape} {labels.dtype}"
        raise HistotileError(path, fact, _REMEDY)
    return labels


def _outline(mask: NDArray[np.bool_]) -> BaseGeometry:
    """The area of the true pixels; pixel (row, column) covers column..column+1, row..row+1."""
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
