"""Artefacts of tiles: blur, pen, folds. They are measured per tile and marked per slide."""

import cv2
import numpy as np
from numpy.typing import NDArray

from histotile.config import Quality
from histotile.slides.ink import find_ink, hsv

Rgb = NDArray[np.uint8]
Floats = NDArray[np.floating]
Marks = dict[str, NDArray[np.bool_]]


def measure(rgb: Rgb) -> tuple[float, float, float]:
    """Sharpness, share of ink and share of fold of one tile.

    Sharpness is the variance of the Laplacian of the luminance over the variance of the luminance
    itself, so that cellular tissue does not count as sharp nor pale tissue as blurred; it can only
    be compared between tiles of one slide. Ink is looked for at a quarter of the resolution and
    folds (dark and saturated) at an eighth: single dark nuclei are neither.

    Args:
        rgb: uint8 (height, width, 3).
    """
    quarter, eighth = _coarse(rgb)
    ink = find_ink(quarter)
    _, saturation, value = hsv(eighth)
    fold = (saturation > 0.5) & (value < 0.36)
    return _sharpness(rgb), float(ink.mean()), float(fold.mean())


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


def _coarse(rgb: Rgb) -> tuple[Rgb, Rgb]:
    """The tile at a quarter and at an eighth of its resolution, averaged over areas.

    Where blocks of 8 x 8 px fill the tile, both come from one sum over its pixels: to the bit what
    cv2.resize gives, in half its time.
    """
    height, width = rgb.shape[:2]
    if height % 8 or width % 8:
        return _averaged(rgb, 4), _averaged(rgb, 8)
    rows = np.add.reduce(rgb.reshape(height // 4, 4, width * 3), axis=1, dtype=np.uint16)
    sums = rows.reshape(height // 4, width, 3).astype(np.float32)
    quarter = cv2.resize(sums, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    eighth = cv2.resize(quarter, (width // 8, height // 8), interpolation=cv2.INTER_AREA)
    return cv2.convertScaleAbs(quarter, alpha=0.25), cv2.convertScaleAbs(eighth, alpha=0.25)


def _averaged(rgb: Rgb, factor: int) -> Rgb:
    height, width = (max(1, side // factor) for side in rgb.shape[:2])
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
