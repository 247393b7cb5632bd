"""Pen ink on the overview of a slide, and what it covers."""

import cv2
import numpy as np
from numpy.typing import NDArray

from histotile.slides.pieces import Floats, Mask
from histotile.slides.strokes import Colours, Rgb, describe

INKS = ("black", "grey", "red", "brown", "green", "blue", "purple")


def find_ink(rgb: Rgb) -> NDArray[np.uint8]:
    """Where an overview shows pen strokes: 0 none, else 1 + the place of the colour in `INKS`.

    Each colour of the picture is judged as a whole: ink is even, of steady width, long, in few
    pieces, and unlike the rest of the slide; what touches it and is nearly so belongs to it. The
    weights are those of a logistic regression on drawn slides and real tissue
    (benchmarks/ink.py). A slide of one colour has no ink: what is all there is, is the stain.

    Args:
        rgb: uint8 (height, width, 3); glass is white, black padding too.
    """
    small = _reduced(rgb)
    colours = describe(small)
    scores = judge(colours.features)
    sure = _sure(scores, _drawn(colours.features), colours.features[:, 6])
    ink = _strokes(colours, sure, scores > _PERHAPS)
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


_SURE, _PERHAPS, _WIDER = 1.5, -0.5, 1.3
_MORE = 0.5  # a piece that is only perhaps ink is no larger than this share of what surely is
_UNEVEN, _LONG = 1.8, 1.1
_LEAST_TISSUE = 0.1  # of all that is not glass: a slide is never all ink
_WORKING_PX = 6.5e5
_WEIGHTS = (
    0.798,
    -1.32,
    0.839,
    0.862,
    0.934,
    -2.09,
    7.54,
    -0.0345,
    -0.0254,
    -1.61,
    0.674,
    -3.27,
    19.5,
    -1.95,
    -0.12,
    -7.6,
    5.39,
    -8.72,
    -1.59,
    0.89,
    -10.3,
    -11.1,
    9.27,
)


def _reduced(rgb: Rgb) -> Rgb:
    step = (rgb.shape[0] * rgb.shape[1] / _WORKING_PX) ** 0.5
    if step <= 1:
        return rgb
    size = tuple(max(1, round(side / step)) for side in rgb.shape[1::-1])
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _sure(scores: Floats, drawn: Mask, share: Floats) -> Mask:
    sure = (scores > _SURE) | drawn
    for k in np.argsort(scores):
        if share[~sure].sum() >= _LEAST_TISSUE:
            break
        sure[k] = False
    return np.asarray(sure)


def _strokes(colours: Colours, sure: Mask, perhaps: Mask) -> Mask:
    """Pieces of sure colours that have the form of strokes, and what touches them and may be ink.

    Pieces of other forms, wider than the strokes or far larger are tissue of a like colour.
    """
    index = colours.place
    seeds = np.zeros(index.shape, bool)
    for k in np.flatnonzero(sure):
        pieces = colours.pieces[k]
        formed = (pieces.uneven < _UNEVEN) & (pieces.long > _LONG)
        seeds |= np.isin(pieces.labels, pieces.large[formed])
    weak = np.append(sure | perhaps, False)[index.astype(int)] & ~seeds
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


def _drawn(features: Floats) -> Mask:
    """Colours so far from all others, in a few pieces so long and steady, that a pen made them."""
    uneven, ragged, long, pieces, share = features[:, 2:7].T
    steady = (uneven < 1.3) & (ragged < 0.4) & (long > 2.0) & (pieces < 1.7)
    return np.asarray(steady & (features[:, 8] > 30) & (share < 0.6))


def _name(mean: Floats) -> int:
    light, a, b = mean
    hue, chroma = np.degrees(np.arctan2(b, a)) % 360, np.hypot(a, b)
    if chroma < 14:
        return 0 if light < 45 else 1
    limits = (("red", 45), ("brown", 105), ("green", 220), ("blue", 302), ("purple", 340))
    return INKS.index(next((name for name, end in limits if hue < end), "red"))
