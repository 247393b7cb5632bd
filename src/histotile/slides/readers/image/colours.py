"""From the samples of a picture, however they are meant, to RGB of 8 bits on white."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Samples = NDArray[np.unsignedinteger]  # (height, width, samples)
Pixels = NDArray[np.uint8]  # (height, width, 3): RGB, or 4: RGB as it shows on white, and alpha

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6  # TIFF's photometrics
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}  # samples
ASSOCIATED, UNASSOCIATED = (
    1,
    2,
)  # alpha that colours are multiplied by already, and one they are not


class Meaning(NamedTuple):
    """How samples are meant.

    Attributes:
        photometric: As TIFF numbers it, one of `COLOURS`.
        bits: Of a sample.
        alpha: What follows the colours: ASSOCIATED, UNASSOCIATED, or 0 for nothing of use.
        palette: RGB (n, 3) of each number; None unless PALETTE.
    """

    photometric: int
    bits: int = 8
    alpha: int = 0
    palette: Pixels | None = None


def to_pixels(samples: Samples, meaning: Meaning) -> Pixels:
    """What the samples show; with alpha, as it shows on white, and alpha.

    >>> to_pixels(np.array([[[0], [65535]]], np.uint16), Meaning(BLACK_IS_ZERO, 16)).tolist()
    [[[0, 0, 0], [255, 255, 255]]]
    """
    count = COLOURS[meaning.photometric]
    rgb = _colours(samples[..., :count], meaning)
    if not meaning.alpha:
        return np.ascontiguousarray(rgb)
    alpha = _eight_bits(samples[..., count : count + 1], meaning.bits)
    return np.concatenate([_lay_on_white(rgb, alpha, meaning.alpha), alpha], axis=-1)


def _lay_on_white(rgb: Pixels, alpha: Pixels, kind: int = UNASSOCIATED) -> Pixels:
    """RGB as it shows on white; alpha is (height, width, 1)."""
    free = 255 - alpha.astype(np.uint16)
    if kind == ASSOCIATED:
        return np.asarray(np.minimum(rgb + free, 255), np.uint8)
    return np.asarray((rgb.astype(np.uint16) * alpha + 255 * free + 127) // 255, np.uint8)


def _colours(samples: Samples, meaning: Meaning) -> Pixels:
    if meaning.palette is not None:
        numbers = np.minimum(samples[..., 0], len(meaning.palette) - 1)
        return np.asarray(meaning.palette[numbers])
    eight = _eight_bits(samples, meaning.bits)
    if meaning.photometric in {CMYK, YCBCR}:
        mode = "CMYK" if meaning.photometric == CMYK else "YCbCr"
        return np.asarray(Image.fromarray(np.ascontiguousarray(eight), mode).convert("RGB"))
    if meaning.photometric == WHITE_IS_ZERO:
        eight = 255 - eight
    return eight if eight.shape[-1] == 3 else np.repeat(eight, 3, axis=-1)


def _eight_bits(samples: Samples, bits: int) -> Pixels:
    if bits == 8:
        return np.asarray(samples, np.uint8)
    most = (1 << bits) - 1
    values = ((np.arange(most + 1, dtype=np.uint32) * 255 + most // 2) // most).astype(np.uint8)
    out = np.empty(samples.shape, np.uint8)
    step = max(1, _BAND // max(1, samples[:1].size))  # NumPy makes 8 bytes of each number here
    for top in range(0, len(samples), step):
        out[top : top + step] = values[np.minimum(samples[top : top + step], most)]
    return out


_BAND = 1 << 20
