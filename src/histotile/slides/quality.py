"""Artefacts of tiles: blur, pen, folds. They are measured per tile and marked per slide."""

import cv2
import numpy as np
from numpy.typing import NDArray

from histotile.config import Quality
from histotile.slides.ink import find_ink, hsv

Floats = NDArray[np.floating]
Marks = dict[str, NDArray[np.bool_]]


def measure(rgb: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Sharpness, share of ink and share of fold of one tile.

    Sharpness is the variance of the Laplacian of the luminance over the variance of the luminance
    itself, so that cellular tissue does not count as sharp nor pale tissue as blurred; it can only
    be compared between tiles of one slide. Ink is looked for at a quarter of the resolution and
    folds (dark and saturated) at an eighth: single dark nuclei are neither.

    Args:
        rgb: uint8 (height, width, 3).
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    edges = cv2.Laplacian(grey, cv2.CV_32F, ksize=1)
    sharpness = float(edges.var() / (grey.var() + _NOISE_VARIANCE))
    ink = find_ink(_coarse(rgb, 4))
    _, saturation, value = hsv(_coarse(rgb, 8))
    fold = (saturation > 0.5) & (value < 0.36)
    return sharpness, float(ink.mean()), float(fold.mean())


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


def _coarse(rgb: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    height, width = (max(1, side // factor) for side in rgb.shape[:2])
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
