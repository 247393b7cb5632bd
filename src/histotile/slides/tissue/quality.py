"""Artefacts of tiles: blur, pen, folds. They are measured per tile and marked per slide."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from histotile.config import Quality
from histotile.slides.tissue.ink import hsv, ink_share

Rgb = NDArray[np.uint8]
Floats = NDArray[np.floating]
Marks = dict[str, NDArray[np.bool_]]


def measure(tiles: Sequence[Rgb], ink: bool = False) -> NDArray[np.float64]:
    """Sharpness, share of ink, share of fold, means and SDs of R, G and B of tiles, (tiles, 9).

    Sharpness is the variance of the Laplacian of the luminance over the variance of the luminance
    itself, so that cellular tissue does not count as sharp nor pale tissue as blurred; it can only
    be compared between tiles of one slide. Folds (dark and saturated) are looked for after halving
    the tile three times, so that single dark nuclei do not count. Ink is found on the overview of a
    slide; only tiles without a slide are searched for it here, after halving twice.

    Args:
        tiles: Of one size, uint8 (height, width, 3) each; a dozen at once take less time each.
        ink: Whether to look for it; if not, its share is 0.
    """
    measures = np.empty((len(tiles), 9))
    if not len(tiles):
        return measures
    planes = [np.empty(tiles[0].shape[:2], np.uint8) for _ in range(3)]
    eighths = []
    for rgb, row in zip(tiles, measures, strict=True):
        cv2.split(rgb, planes)
        row[3:] = np.array([cv2.meanStdDev(plane) for plane in planes]).reshape(3, 2).T.ravel()
        row[0] = _sharpness(rgb)
        quarter = _half(_half(rgb))
        row[1] = ink_share(quarter) if ink else 0.0
        eighths.append(_half(quarter))
    _, saturation, value = hsv(np.concatenate(eighths))
    measures[:, 2] = _shares((saturation > 0.5) & (value < 0.36), len(tiles))
    return measures


def mark(sharpness: Floats, pen: Floats, fold: Floats, settings: Quality) -> Marks:
    """Which tiles of a slide are blurred, inked or folded: "blur", "pen", "fold", each (n,) bool.

    Blur: log sharpness lies `max_blur_z` robust standard deviations below the slide's median;
    with fewer than 20 tiles, or where half of them are equally sharp, no tile is marked, for
    there is nothing to compare with. Fold: the fold share exceeds the slide's median by more than
    `max_fold_fraction`, so that a slide dark all over is not one fold.

    Args:
        sharpness: Of each tile of one slide, as `measure` gives it; NaN where unreadable.
        pen: Share of ink of each tile.
        fold: Share of fold of each tile.
        settings: Limits.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(np.maximum(np.asarray(sharpness, float), 1e-6))
        usual_fold = np.nanmedian(fold) if np.isfinite(fold).any() else 0.0
        return {
            "blur": _robust_z(logs) < -settings.max_blur_z,
            "pen": np.asarray(pen) > settings.max_pen_fraction,
            "fold": np.asarray(fold) - usual_fold > settings.max_fold_fraction,
        }


_NOISE_VARIANCE = 25.0  # of camera noise and compression: keeps flat glass from looking sharp
_FEWEST = 20


def _robust_z(values: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = values[np.isfinite(values)]
    if finite.size < _FEWEST:
        return np.zeros(values.shape)
    median = np.median(finite)
    spread = 1.4826 * float(np.median(np.abs(finite - median)))
    if spread < 1e-6:
        return np.zeros(values.shape)
    return np.asarray(np.nan_to_num((values - median) / spread, nan=0.0))


def _sharpness(rgb: Rgb) -> float:
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    edges = cv2.Laplacian(grey, cv2.CV_16S, ksize=1)
    mean = cv2.sumElems(edges)[0] / edges.size
    variance = max(0.0, cv2.norm(edges, cv2.NORM_L2SQR) / edges.size - mean**2)
    spread = float(cv2.meanStdDev(grey)[1][0, 0])
    return variance / (spread**2 + _NOISE_VARIANCE)


def _half(rgb: Rgb) -> Rgb:
    height, width = (max(1, side // 2) for side in rgb.shape[:2])
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _shares(found: NDArray[np.bool_], tiles: int) -> NDArray[np.float64]:
    return np.asarray(found.reshape(tiles, -1).mean(axis=1))
