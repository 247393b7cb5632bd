"""Slides written on the fly: tiled pyramids with known pixels."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
WriteSlide = Callable[..., Path]


def reduced(rgb: Rgb, factor: int) -> Rgb:
    """Means of factor x factor px; what does not fill a px is dropped, as scanners do."""
    height, width = (side // factor * factor for side in rgb.shape[:2])
    blocks = rgb[:height, :width].astype(float)
    blocks = blocks.reshape(height // factor, factor, width // factor, factor, 3)
    return np.asarray(np.rint(blocks.mean(axis=(1, 3))), np.uint8)


@pytest.fixture(scope="session")
def write_slide() -> WriteSlide:
    """Writes a tiled pyramid: generic TIFF, or Aperio by its description.

    Its levels are given, or reduced from `rgb` by the factors.
    """

    def write(
        path: Path,
        rgb: Rgb,
        factors: tuple[int, ...] = (1,),
        mpp: float | None = 0.5,
        aperio: bool = False,
        comment: str = "",
        levels: Sequence[Rgb] | None = None,
    ) -> Path:
        with tifffile.TiffWriter(path) as tiff:
            for number, factor in enumerate(factors):
                level = levels[number] if levels else reduced(rgb, factor)
                text = f"Aperio Image Library v12\r\n{level.shape[1]}x{level.shape[0]}"
                if mpp is not None:
                    text += f"|AppMag = 20|MPP = {mpp:.4f}"
                tagged = mpp is not None and not aperio
                tiff.write(
                    level,
                    tile=(64, 64),
                    photometric="rgb",
                    compression="deflate",
                    metadata=None,
                    description=text + comment if aperio else None,
                    resolution=(1e4 / (mpp or 1),) * 2 if tagged else None,
                    resolutionunit="CENTIMETER" if tagged else None,
                    subfiletype=0 if factor == 1 else 1,
                )
        return path

    return write
