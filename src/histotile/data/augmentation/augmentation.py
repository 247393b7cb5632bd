"""Random changes of training tiles that leave their label true; other tiles are never changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from histotile.config import Augment

Rgb = NDArray[np.uint8]
Transform = Callable[[Rgb], Rgb]
Role = Literal["train", "val", "test"]


def make_transform(role: Role, settings: Augment, tile_px: int, seed: int) -> Transform:
    """What a tile goes through on its way to the network: uint8 (tile_px, tile_px, 3) both ways.

    Only the role `train` changes anything; `val` and `test` give the identity, whatever the
    settings. Strengths scale the ranges in `transforms`; `light` is mild enough for frozen
    features, `heavy` is for cohorts of several laboratories.

    Args:
        role: Role of the slide in the fold.
        settings: Strength of every change.
        tile_px: Side of the tiles, px.
        seed: The same seed gives the same changes in the same order of calls.
    """
    return Augmentation(settings, tile_px, seed) if role == "train" else unchanged


def unchanged(rgb: Rgb) -> Rgb:
    """The tile itself."""
    return rgb


class Augmentation:
    """The random changes of training tiles, with a stream of random numbers of its own."""

    def __init__(self, settings: Augment, tile_px: int, seed: int) -> None:
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing it asks the net
        from histotile.data.augmentation.transforms import seeded

        self._compose = seeded(settings, tile_px, seed)

    def __call__(self, rgb: Rgb) -> Rgb:
        """The tile, changed at random."""
        return np.ascontiguousarray(self._compose(image=rgb)["image"])

    def reseed(self, seed: int) -> None:
        """Start another stream: worker processes must not all draw the same changes."""
        self._compose.set_random_seed(seed % 2**32)
