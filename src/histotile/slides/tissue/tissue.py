"""Where the tissue is on the overview of a slide."""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from histotile.config import Mask as MaskSettings
from histotile.io.ledger import Entry
from histotile.slides.tissue.grey import find_dense, is_grey
from histotile.slides.tissue.ink import find_black, lowest_and_highest, saturation
from histotile.slides.tissue.pen import INKS, find_ink

Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]
GLASS, INK, TISSUE = 0, 64, 255  # levels of a mask file: readers that know tissue alone ask > 127


class Survey(NamedTuple):
    """What an overview shows: `GLASS`, `INK` or `TISSUE` of each px, and what was set aside."""

    levels: NDArray[np.uint8]
    ledger: list[Entry]


def survey(rgb: Rgb, um_per_px: float, settings: MaskSettings) -> Survey:
    """What each px of an overview is, and what of the stained area was set aside, and why.

    1. Black padding and frames, and pen strokes with a rim around them, are set aside.
    2. The glass gets white: its own colour is divided out, so that yellow or grey glass is glass.
    3. Tissue is what is more saturated than glass (Otsu's threshold, or where the glass ends, at
       least `min_saturation`), or dense and not grey. Without `min_contrast` to the glass there is
       no tissue.
    4. Lines thinner than 20 um and small pieces are dropped, small holes filled.

    A picture with a black field and no glass (fluorescence) has as tissue what is bright, one
    without colours what is dense; ink is not told from tissue there.

    Args:
        rgb: uint8 (height, width, 3).
        um_per_px: Scale of the overview.
        settings: Thresholds; saturation 0-1, optical density in base 10 summed over R, G and B.
    """
    black = find_black(rgb)
    if _is_dark_field(rgb, black):
        return Survey(_levels(_clean(_bright(rgb), um_per_px, settings)), [])
    padding = _solid(_padding(rgb, black, um_per_px), um_per_px)
    if is_grey(rgb):
        dense = find_dense(_smooth(rgb, um_per_px)[..., 0])
        return Survey(_levels(_clean(dense, um_per_px, settings) & ~padding), [])
    inks = np.zeros(black.shape, np.uint8)
    if settings.exclude_pen:
        inks = find_ink(_balanced(np.where(padding[..., None], np.uint8(255), rgb), ~padding))
    ink = _solid(inks > 0, um_per_px)
    aside = ink | padding
    tissue = _clean(_stained(rgb, ~aside, um_per_px, settings), um_per_px, settings) & ~aside
    return Survey(_levels(tissue, ink & ~padding), _ledger(tissue, ink, inks, um_per_px))


def find_tissue(rgb: Rgb, um_per_px: float, settings: MaskSettings) -> Mask:
    """Where an overview shows tissue, (height, width): that level of `survey`."""
    return np.asarray(survey(rgb, um_per_px, settings).levels == TISSUE)


def _levels(tissue: Mask, ink: Mask | None = None) -> NDArray[np.uint8]:
    levels = np.where(tissue, np.uint8(TISSUE), np.uint8(GLASS))
    return levels if ink is None else np.where(ink & ~tissue, np.uint8(INK), levels)


def _ledger(tissue: Mask, ink: Mask, inks: NDArray[np.uint8], um_per_px: float) -> list[Entry]:
    """What was taken for ink, colour by colour; the rim of a stroke counts for no colour."""
    counts = np.bincount(inks[ink], minlength=len(INKS) + 1)[1:]
    stained = int(tissue.sum() + counts.sum())
    return [
        Entry(
            "tissue",
            f"taken for {name} ink",
            area_um2=float(count * um_per_px**2),
            share=float(count / stained),
        )
        for name, count in sorted(zip(INKS, counts, strict=True), key=lambda line: -line[1])
        if count
    ]


def _padding(rgb: Rgb, black: Mask, um_per_px: float) -> Mask:
    """Black that reaches the edge of the picture and is all of one shade: no scanner's tissue."""
    count, pieces, facts, _ = cv2.connectedComponentsWithStats(black.astype(np.uint8))
    if count < 2:
        return black
    rim = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    contact = np.bincount(rim, minlength=count)
    edge = pieces[cv2.erode(black.astype(np.uint8), np.ones((3, 3))) == 0]
    along = contact > _OWN_EDGE * np.bincount(edge, minlength=count)  # a stroke: by its width alone
    found = np.zeros(count, bool)
    for piece in np.flatnonzero(along & (contact >= _ALONG_EDGE * min(pieces.shape))):
        if piece and facts[piece, cv2.CC_STAT_AREA] * um_per_px**2 >= 4000:
            found[piece] = rgb[pieces == piece].std(axis=0).max() < _ONE_SHADE
    return np.asarray(found[pieces])


def draw_overlay(rgb: Rgb, levels: NDArray[np.uint8]) -> Rgb:
    """The overview with tissue outlined in green, ink in red, and everything else faded."""
    faded = (rgb.astype(np.float32) * 0.55 + 255 * 0.45).astype(np.uint8)
    picture = np.where((levels == TISSUE)[..., None], rgb, faded).copy()
    thickness = max(1, max(rgb.shape[:2]) // 600)
    for level, colour in ((INK, (200, 30, 30)), (TISSUE, (0, 140, 60))):
        where = (levels == level).astype(np.uint8)
        outlines, _ = cv2.findContours(where, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, colour, thickness)
    return np.asarray(picture)


def _stained(rgb: Rgb, usable: Mask, um_per_px: float, settings: MaskSettings) -> Mask:
    none = np.zeros(usable.shape, np.bool_)
    if not usable.any():
        return none
    balanced = _balanced(_smooth(rgb, um_per_px), usable)
    colour = saturation(balanced)
    values = colour[usable]
    threshold, glass = _split(values)
    coloured = (colour > max(threshold, settings.min_saturation)) & usable
    if not coloured.any() or colour[coloured].mean() - glass < settings.min_contrast:
        return none
    density = sum(cv2.LUT(plane, _DENSITY) for plane in cv2.split(balanced))
    dense = (density > settings.min_od) & (colour > 0.5 * settings.min_saturation)
    return np.asarray(coloured | (dense & usable))


def _split(values: NDArray[np.float32]) -> tuple[float, float]:
    """The saturation that parts tissue from glass, and that of the glass (0 if none is seen).

    Otsu's threshold, unless the glass ends before it: where a slide shows dark and pale tissue,
    Otsu parts these two, and the pale one would be lost.
    """
    otsu = min(_otsu(values), 0.1)
    below = values[values <= otsu]
    if below.size < 0.005 * values.size:
        return otsu, 0.0
    glass = float(np.median(below))
    noise = 1.4826 * float(np.median(np.abs(below - glass)))
    return min(otsu, glass + 5 * noise + 0.01), glass


_ONE_SHADE = 8.0  # grey levels
_ALONG_EDGE = 0.2  # of the shorter side
_OWN_EDGE = 0.25  # of the outline of the black piece within the picture
_DENSITY = -np.log10(np.maximum(np.arange(256), 1) / 255).astype(np.float32)


def _smooth(rgb: Rgb, um_per_px: float) -> Rgb:
    side = min(7, max(3, 2 * round(20 / um_per_px) + 1))
    return np.asarray(cv2.medianBlur(np.ascontiguousarray(rgb), side))


def _balanced(rgb: Rgb, usable: Mask) -> Rgb:
    """The picture with its glass made white; untouched where no glass is seen."""
    low, high = lowest_and_highest(rgb)
    glass = usable & (low > 170) & (high - low < 0.16 * high)
    scanned = glass & (low < 255)  # exactly white is padding, as long as there is other glass
    if scanned.sum() > 0.002 * usable.sum():
        glass = scanned
    if glass.sum() < 0.002 * usable.sum():
        return rgb
    bright = rgb[glass]
    luminance = sum(bright[:, channel].astype(np.uint16) for channel in range(3))
    colour = np.median(bright[luminance >= np.quantile(luminance, 0.5)], axis=0)
    table = np.minimum(np.arange(256)[:, None] * 255 / colour, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(rgb, table[None]), np.uint8)


def _otsu(values: NDArray[np.float32]) -> float:
    histogram, edges = np.histogram(values, bins=512, range=(0.0, 1.0))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(histogram)
    above = below[-1] - below
    total = np.cumsum(histogram * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (total / below - (total[-1] - total) / above) ** 2
    return float(edges[1 + int(np.nanargmax(np.nan_to_num(between, nan=-1.0)))])


def _is_dark_field(rgb: Rgb, black: Mask) -> bool:
    glass = np.mean(lowest_and_highest(rgb)[0] > 180)
    return bool(np.mean(black) > 0.3 and glass < 0.02)


def _bright(rgb: Rgb) -> Mask:
    smooth = cv2.GaussianBlur(lowest_and_highest(rgb)[1], (0, 0), 1.5)
    value = np.asarray(smooth.astype(np.float32) / 255, np.float32)
    background = float(np.quantile(value, 0.05))
    threshold = max(min(_otsu(value), background + 0.15), background + 0.04)
    return np.asarray(value > threshold)


def _solid(ink: Mask, um_per_px: float) -> Mask:
    """Ink or padding without specks, grown over its pale rim."""
    solid = cv2.morphologyEx(ink.astype(np.uint8), cv2.MORPH_OPEN, _disc(um_per_px, 12.0))
    kept = _without_small(solid.astype(bool), 4000 / um_per_px**2)
    return _grown(kept, um_per_px, 40.0, 2)


def _clean(tissue: Mask, um_per_px: float, settings: MaskSettings) -> Mask:
    opened = cv2.morphologyEx(tissue.astype(np.uint8), cv2.MORPH_OPEN, _disc(um_per_px, 10.0))
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, _disc(um_per_px, 30.0)).astype(bool)
    least = min(settings.min_object_um2 / um_per_px**2, tissue.size / 4)  # tiny pictures
    kept = _without_small(closed, least)
    if settings.max_hole_um2 <= 0:
        return kept & tissue
    return ~_without_small(~kept, settings.max_hole_um2 / um_per_px**2, edge_kept=True)


def _without_small(mask: Mask, least_px: float, edge_kept: bool = False) -> Mask:
    """The mask without connected pieces below an area; pieces cut by the picture's edge may stay.

    A hole that touches the edge may be the open glass, so holes there are never filled.
    """
    count, pieces, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    keep = facts[:, cv2.CC_STAT_AREA] >= least_px
    if edge_kept:
        rim = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
        keep[np.unique(rim)] = True
    keep[0] = False
    return np.asarray(keep[pieces]) if count > 1 else np.zeros(mask.shape, np.bool_)


def _grown(mask: Mask, um_per_px: float, radius_um: float, least_px: int) -> Mask:
    radius = max(least_px, math.ceil(radius_um / um_per_px))
    side = 2 * min(radius, 25) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc)).astype(bool)


def _disc(um_per_px: float, radius_um: float) -> NDArray[np.uint8]:
    side = 2 * min(max(round(radius_um / um_per_px), 1), 25) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
