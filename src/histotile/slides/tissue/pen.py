"""Pen ink on the overview of a slide, and what it covers."""

import cv2
import numpy as np
from numpy.typing import NDArray

from histotile.slides.tissue.pieces import Floats, Mask
from histotile.slides.tissue.strokes import Colours, Rgb, describe

INKS = ("black", "grey", "red", "brown", "green", "blue", "purple")


def find_ink(rgb: Rgb) -> NDArray[np.uint8]:
    """Where an overview shows pen strokes: 0 none, else 1 + the place of the colour in `INKS`.

    Each colour of the picture is judged as a whole, then each of its pieces: ink is even, of
    steady width, long, in few pieces, and unlike the rest of the slide; what touches it and is
    nearly so belongs to it. The weights are those of two logistic regressions on drawn slides and
    real tissue (benchmarks/ink_fit.py). A slide of one colour has no ink: what is all there is,
    is the stain.

    Args:
        rgb: uint8 (height, width, 3); glass is white, black padding too.
    """
    small = _reduced(rgb)
    colours = describe(small)
    scores = judge(colours.features)
    ink = _strokes(colours, scores)
    names = np.array([0, *(1 + _name(mean) for mean in colours.means)], np.uint8)
    found = np.where(ink, names[colours.place.astype(int) + 1], np.uint8(0))
    size = rgb.shape[1], rgb.shape[0]
    return np.asarray(cv2.resize(found, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def judge(features: Floats) -> Floats:
    """Log odds that each colour is ink."""
    if not len(features):
        return np.empty(0)
    return np.asarray(expanded(features) @ np.array(_WEIGHTS[:-1]) + _WEIGHTS[-1])


def expanded(features: Floats) -> Floats:
    """`FEATURES` with the bends and products that the rule uses."""
    texture, smoother, uneven, long = (features[:, k] for k in (0, 1, 2, 4))
    share, glass = features[:, 6], features[:, 12]
    bends = (
        np.maximum(texture - 0.8, 0),
        np.maximum(uneven - 1.5, 0),
        (share > 0.9).astype(float),
        np.maximum(-smoother - 1, 0),
        np.minimum(long, 2.5),
        glass * uneven,
        share * uneven,
    )
    return np.concatenate([features, np.stack(bends, axis=1)], axis=1)


_SURE, _PERHAPS, _SMALL, _WIDER = 1.5, 0.4, -0.5, 1.3
_MORE = 0.5  # a piece that is only perhaps ink is no larger than this share of what surely is
_LEAST_TISSUE = 0.1  # of all that is not glass: a slide is never all ink
_WORKING_PX = 6.5e5
_WEIGHTS = (
    0.788,
    -1.81,
    3.71,
    0.727,
    -0.28,
    -1.89,
    3.88,
    -0.0372,
    -0.0166,
    -5.12,
    1.19,
    -1.89,
    15.3,
    -0.758,
    -0.101,
    -8.28,
    2.25,
    -9.11,
    -2.2,
    2.12,
    -8.63,
    -9.4,
    8.15,
)
_PIECE_WEIGHTS = (
    0.669,
    -0.217,
    0.205,
    0.579,
    0.514,
    -9.47,
    -0.521,
    2.23,
    0.23,
    0.186,
    -0.674,
    -0.498,
    -0.273,
    0.0811,
    0.296,
    -0.994,
    0.378,
    3.46,
)


def _reduced(rgb: Rgb) -> Rgb:
    step = (rgb.shape[0] * rgb.shape[1] / _WORKING_PX) ** 0.5
    if step <= 1:
        return rgb
    size = tuple(max(1, round(side / step)) for side in rgb.shape[1::-1])
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def judge_pieces(colours: Colours, scores: Floats) -> Floats:
    """Log odds that each large piece is ink, colour after colour."""
    rows = expanded_pieces(colours, scores)
    return np.asarray(rows @ np.array(_PIECE_WEIGHTS[:-1]) + _PIECE_WEIGHTS[-1])


def expanded_pieces(colours: Colours, scores: Floats) -> Floats:
    """What the rule knows of each large piece: its form, and the log odds of its colour."""
    own = np.repeat(np.arange(len(scores)), [len(p.large) for p in colours.pieces])
    if not len(own):
        return np.empty((0, len(_PIECE_WEIGHTS) - 1))
    form = [(p.area, p.uneven, p.ragged, p.long, p.texture, p.glass) for p in colours.pieces]
    area, uneven, ragged, long, texture, glass = np.concatenate(form, axis=1)
    odds, colour = np.clip(scores, -8, 10)[own], colours.features[own]
    share, whole, apart = area / area.sum(), colour[:, 6], colour[:, 8]
    rows = (
        *(odds, np.maximum(odds - 4, 0), odds * np.maximum(uneven - 1.3, 0), odds * glass),
        *(np.log(share), share, whole, np.maximum(whole - 0.5, 0), apart / 30),
        *(uneven, np.maximum(uneven - 1.5, 0), glass * uneven, uneven * colour[:, 5]),
        *(ragged, long, texture, glass),
    )
    return np.stack(rows, axis=1)


def _all_but_tissue(odds: Floats, area: Floats) -> Mask:
    """Which pieces are ink; the least likely are not, where next to nothing else would be left."""
    sure = odds > _SURE
    for k in np.argsort(odds):
        if area[~sure].sum() >= _LEAST_TISSUE * area.sum():
            break
        sure[k] = False
    return np.asarray(sure)


def _strokes(colours: Colours, scores: Floats) -> Mask:
    """Pieces that surely are ink, and what touches them and may be ink, unless wider or larger."""
    odds = judge_pieces(colours, scores)
    area = np.concatenate([np.empty(0), *(p.area for p in colours.pieces)])
    sure, perhaps = _all_but_tissue(odds, area), odds > _PERHAPS
    seeds, weak = np.zeros((2, *colours.place.shape), bool)
    first = 0
    for k, pieces in enumerate(colours.pieces):
        own = slice(first, first := first + len(pieces.large))
        which = np.full(pieces.labels.max() + 1, scores[k] > _SMALL)
        which[0] = False
        which[pieces.large] = perhaps[own]
        weak |= which[pieces.labels]
        seeds |= np.isin(pieces.labels, pieces.large[sure[own]])
    weak &= ~seeds
    near = cv2.dilate(seeds.astype(np.uint8), np.ones((9, 9))).astype(bool)
    _, labels, facts, _ = cv2.connectedComponentsWithStats(weak.astype(np.uint8))
    touching = np.zeros(labels.max() + 1, bool)
    touching[np.unique(labels[near])] = True
    wide = _depth(weak) > _WIDER * max(float(_depth(seeds).max()), 2.0)
    touching[np.unique(labels[wide])] = False
    touching &= facts[:, cv2.CC_STAT_AREA] <= _MORE * seeds.sum()
    touching[0] = False
    return np.asarray(seeds | touching[labels])


def _depth(mask: Mask) -> NDArray[np.float32]:
    """How far (px) each px lies from the edge of its piece."""
    padded = np.pad(mask.astype(np.uint8), 1)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1], np.float32)


def _name(mean: Floats) -> int:
    light, a, b = mean
    hue, chroma = np.degrees(np.arctan2(b, a)) % 360, np.hypot(a, b)
    if chroma < 14:
        return 0 if light < 45 else 1
    limits = (("red", 45), ("brown", 105), ("green", 220), ("blue", 302), ("purple", 340))
    return INKS.index(next((name for name, end in limits if hue < end), "red"))
