"""The few colours of an overview, and what the form of each says: drawn by a pen, or grown?

A pen leaves even colour between two smooth edges a steady way apart, whatever lies below it; a
stain follows cells. So each colour of the picture is judged as a whole, never a single px.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from histotile.slides.tissue.pieces import LEAST_PX, Floats, Mask, Pieces, measure_pieces

Rgb = NDArray[np.uint8]
Lab = NDArray[np.float32]
FEATURES = (
    "texture",  # log of the local SD of colour inside
    "smoother",  # the same, less that of the most textured colour
    "uneven",  # widest place over mean width: 1 for a stroke, 2 for a disc
    "ragged",  # log of the spread of the widths
    "long",  # log of length over width
    "pieces",  # log of their number
    "share",  # of all that is not glass
    "darker",  # L, less that of all other colours
    "apart",  # Lab distance from the nearest other colour
    "uneven_most",  # the same of the largest piece
    "long_most",
    "share_most",  # of the largest piece among the pieces
    "glass",  # share of the edge that glass lies beyond
    "more_uneven",  # less that of all other colours
    "light",  # L
)


class Colours(NamedTuple):
    """The colours of a picture: which each px has (-1: none); of each: Lab, `FEATURES`, pieces."""

    place: NDArray[np.int8]
    means: Floats
    features: Floats
    pieces: list[Pieces]


def describe(rgb: Rgb) -> Colours:
    """The colours of a picture on white glass, and what each looks like.

    Args:
        rgb: uint8 (height, width, 3); glass is white.
    """
    side = 7 if min(rgb.shape[:2]) >= 350 else 5
    calmed = np.asarray(cv2.medianBlur(np.ascontiguousarray(rgb), side), np.uint8)
    smooth = _lab(calmed)
    stained = np.asarray(np.linalg.norm(smooth - _WHITE, axis=-1) > _PALEST)
    means = _main_colours(smooth, stained)
    nearest = _nearest(calmed, means)
    texture = _texture(_lab(rgb))
    calm = cv2.erode((~stained).astype(np.uint8), np.ones((3, 3)))
    glass = np.asarray(cv2.dilate(calm, np.ones((9, 9)))).astype(bool)
    index = np.full(stained.shape, -1, np.int8)
    seen: list[int] = []
    rows: list[Floats] = []
    pieces: list[Pieces] = []
    for k in range(len(means)):
        found = _opened(stained & (nearest == k))
        own = measure_pieces(found, texture, glass)
        if len(own.large):
            index[found] = len(seen)
            seen.append(k)
            pieces.append(own)
            rows.append(_form(found, own, texture, glass))
    features = _features(np.array(rows).reshape(-1, 10), means[seen])
    return Colours(index, means[seen], features, pieces)


_WHITE = np.array([100, 0, 0], np.float32)
_PALEST = 7.0  # Lab: what is nearer to white is glass
_APART = 18.0  # Lab: colours nearer to each other are one
_MOST_COLOURS = 24


def _lab(rgb: Rgb) -> Lab:
    return np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def _texture(lab: Lab) -> NDArray[np.float32]:
    mean, square = cv2.blur(lab, (3, 3)), cv2.blur(lab * lab, (3, 3))
    return np.asarray(np.sqrt(np.maximum(square - mean * mean, 0)).sum(axis=-1), np.float32)


def _opened(mask: Mask) -> Mask:
    cross = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, cross)).astype(bool)


def _main_colours(lab: Lab, stained: Mask) -> Floats:
    """Colours that lie `_APART`, each that of many px: first the commonest, then the farthest."""
    inside = cv2.erode(stained.astype(np.uint8), np.ones((3, 3))).astype(bool)
    values = lab[inside if inside.sum() >= 100 else stained]
    if not len(values):
        return np.empty((0, 3))
    bins = np.floor(values / 5).astype(np.int64)
    bins -= bins.min(axis=0)
    shape = bins.max(axis=0) + 1
    flat = np.ravel_multi_index(tuple(bins.T), tuple(shape))
    size = int(np.prod(shape))
    count = np.bincount(flat, minlength=size)
    sums = [np.bincount(flat, values[:, c], minlength=size) for c in range(3)]
    around = uniform_filter(count.reshape(shape).astype(float), 3, mode="constant").ravel() * 27
    kept = (count > 0) & (around >= max(LEAST_PX / 2, 0.002 * stained.sum()))
    return _spread(np.stack(sums, axis=1)[kept] / count[kept, None], around[kept], count[kept])


def _spread(points: Floats, around: Floats, count: NDArray[np.int64]) -> Floats:
    if not len(points):
        return np.empty((0, 3))
    chosen = [points[np.argmax(around)]]
    gap = np.linalg.norm(points - chosen[0], axis=1)
    while len(chosen) < _MOST_COLOURS and gap.max() >= _APART:
        far = int(np.argmax(gap))
        close = np.flatnonzero(np.linalg.norm(points - points[far], axis=1) < _APART / 2)
        best = int(close[np.argmax(around[close])])
        best = best if gap[best] >= 0.7 * _APART else far
        chosen.append(points[best])
        gap = np.minimum(gap, np.linalg.norm(points - points[best], axis=1))
    means = np.array(chosen)
    for _ in range(2):  # towards the px that are theirs
        own = np.argmin(((points[:, None] - means) ** 2).sum(axis=-1), axis=1)
        for k in np.unique(own):
            means[k] = np.average(points[own == k], axis=0, weights=count[own == k])
    return means


def _nearest(rgb: Rgb, means: Floats) -> NDArray[np.int8]:
    """The nearest colour of each px, by a table of 32 steps of R, G and B."""
    steps = np.arange(4, 256, 8, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(1, -1, 3)
    gaps = [((_lab(cube)[0] - mean) ** 2).sum(axis=-1) for mean in means.astype(np.float32)]
    table = np.argmin(gaps, axis=0).astype(np.int8) if len(gaps) else np.zeros(32**3, np.int8)
    red, green, blue = (rgb[..., k].astype(np.int32) >> 3 for k in range(3))
    return np.asarray(table[(red << 10) | (green << 5) | blue])


def _form(mask: Mask, pieces: Pieces, texture: NDArray[np.float32], glass: Mask) -> Floats:
    """What one colour looks like by itself."""
    area = pieces.area.sum()
    weight = pieces.area / area
    inside = (pieces.depth > 2) & mask
    core = texture[inside if inside.any() else mask]
    means = [float(weight @ v) for v in (pieces.uneven, pieces.ragged, pieces.long)]
    big = int(np.argmax(weight))
    most = [pieces.uneven[big], pieces.long[big], weight[big]]
    edge = mask & (pieces.depth < 1.5)
    free = float(glass[edge].mean())
    number = np.log(len(pieces.large))
    return np.array([np.log(np.median(core) + 0.2), *means, number, area, *most, free])


def _features(rows: Floats, means: Floats) -> Floats:
    if not len(rows):
        return np.empty((0, len(FEATURES)))
    texture, uneven, ragged, long, pieces, area, *more = rows.T
    share, light = area / area.sum(), means[:, 0]
    gaps = np.linalg.norm(means[:, None] - means, axis=-1)
    gaps[:, share < 0.05] = np.inf
    np.fill_diagonal(gaps, np.inf)
    apart = gaps.min(axis=1)
    return np.stack(
        [
            *(texture, texture - texture.max(), uneven, ragged, long, pieces, share),
            _beyond_others(light, share),
            np.where(np.isfinite(apart), apart, 0.0),
            *more,
            _beyond_others(uneven, share),
            light,
        ],
        axis=1,
    )


def _beyond_others(values: Floats, share: Floats) -> Floats:
    """Of each colour, less the mean of all others; 0 for the only one."""
    rest = 1 - share
    mean = (values @ share - values * share) / np.maximum(rest, 1e-9)
    return np.where(rest > 1e-6, values - mean, 0.0)
