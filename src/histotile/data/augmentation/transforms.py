"""The random changes themselves, as albumentations transforms.

Import this through `augmentation` alone: it first keeps albumentations from asking the internet for
updates.
"""

from __future__ import annotations

from typing import Any

import albumentations as A
import cv2
import numpy as np
from numpy.typing import NDArray

from histotile.config import Augment, Strength
from histotile.data.augmentation.stain import change_stain

Rgb = NDArray[np.uint8]

# Smallest share of the tile's area that is kept. Nuclei grow by up to the root of its inverse (1.2,
# 1.3, 1.4): more would make benign nuclei as large as malignant ones.
_CROP: dict[Strength, float] = {"light": 0.7, "medium": 0.6, "heavy": 0.5}
# Corners move by up to this share of the side.
_PERSPECTIVE: dict[Strength, tuple[float, float]] = {
    "light": (0.02, 0.05),
    "medium": (0.03, 0.08),
    "heavy": (0.05, 0.12),
}
# Relative brightness and contrast, relative saturation, hue (share of the colour circle).
_COLOUR: dict[Strength, tuple[float, float, float]] = {
    "light": (0.15, 0.2, 0.03),
    "medium": (0.2, 0.3, 0.04),
    "heavy": (0.3, 0.45, 0.06),
}
# Standard deviations of the stains' gain and of their shift (optical density).
_STAIN: dict[Strength, tuple[float, float]] = {
    "light": (0.05, 0.02),
    "medium": (0.12, 0.04),
    "heavy": (0.25, 0.08),
}
_ERASED: dict[Strength, float] = {"light": 0.1, "medium": 0.2, "heavy": 0.3}  # share of the area


class StainJitter(A.ImageOnlyTransform):  # type: ignore[misc]
    """Haematoxylin and eosin gains and shifts drawn from normal distributions, cut at 2.5 SD.

    The residual varies half as much: it colours glass and edges green sooner than tissue.

    Args:
        gain_sd: Standard deviation of the gain around 1.
        shift_sd: Standard deviation of the shift around 0 (optical density).
    """

    def __init__(self, gain_sd: float, shift_sd: float) -> None:
        super().__init__(p=1.0)
        self.gain_sd = gain_sd
        self.shift_sd = shift_sd

    def get_params(self) -> dict[str, Any]:
        """Gain and shift of one tile."""
        draws = np.clip(self.random_generator.standard_normal((2, 3)), -2.5, 2.5) * (1, 1, 0.5)
        return {"gain": 1 + self.gain_sd * draws[0], "shift": self.shift_sd * draws[1]}

    def apply(self, img: Rgb, gain: Any, shift: Any, **params: Any) -> Rgb:
        """The changed tile."""
        return change_stain(img, gain, shift)


class MeanErasing(A.ImageOnlyTransform):  # type: ignore[misc]
    """One rectangle, in half of the tiles, filled with the tile's mean colour.

    Args:
        max_area: Largest share of the tile's area.
    """

    def __init__(self, max_area: float) -> None:
        super().__init__(p=0.5)
        self.max_area = max_area

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        """Corners of the rectangle, px."""
        height, width = params["shape"][:2]
        draw = self.random_generator.random(4)
        area = self.max_area * (0.2 + 0.8 * draw[0]) * height * width
        aspect = np.exp((2 * draw[1] - 1) * np.log(2))
        h = min(height, max(1, int(np.sqrt(area / aspect))))
        w = min(width, max(1, int(np.sqrt(area * aspect))))
        top, left = int(draw[2] * (height - h + 1)), int(draw[3] * (width - w + 1))
        return {"window": (top, top + h, left, left + w)}

    def apply(self, img: Rgb, window: tuple[int, int, int, int], **params: Any) -> Rgb:
        """The tile with the rectangle filled."""
        top, bottom, left, right = window
        erased = img.copy()
        erased[top:bottom, left:right] = np.rint(img.mean(axis=(0, 1)))
        return erased


def seeded(settings: Augment, tile_px: int, seed: int) -> Any:
    """The pipeline of an albumentations.Compose with a seed of its own."""
    return A.Compose(_steps(settings, tile_px), seed=seed)


def _steps(settings: Augment, tile_px: int) -> list[Any]:
    steps: list[Any] = []
    if settings.resized_crop != "off":
        scale = (_CROP[settings.resized_crop], 1.0)
        crop = A.RandomResizedCrop((tile_px, tile_px), scale, (0.9, 1.1), cv2.INTER_LINEAR)
        steps.append(crop)
    if settings.perspective != "off":
        steps.append(A.Perspective(_PERSPECTIVE[settings.perspective], p=0.5))
    if settings.orientation == "d4":
        steps.append(A.D4(p=1.0))
    elif settings.orientation == "flip":
        steps += [A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)]
    if settings.stain != "off":
        steps.append(StainJitter(*_STAIN[settings.stain]))
    if settings.colour != "off":
        light, saturation, hue = _COLOUR[settings.colour]
        around = [(1 - r, 1 + r) for r in (light, light, saturation)]
        steps.append(A.ColorJitter(*around, (-hue, hue), p=0.8))
    if settings.erasing != "off":
        steps.append(MeanErasing(_ERASED[settings.erasing]))
    return steps
