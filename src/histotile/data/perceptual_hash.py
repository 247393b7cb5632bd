"""Fingerprints of tiles that near-copies share, whatever their compression."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_SHAPE = (9, 8)  # columns and rows that the tile is shrunk to: 8 x 8 differences


def dhash(tiles: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """64-bit difference hash of each tile: how many bits differ says how unlike two tiles are.

    The grey tile is shrunk to 9 x 8 px (mean over areas); each bit says whether a pixel is darker
    than its right neighbour, rows from the top, the first bit the highest. Copies saved again as
    JPEG differ by a few bits, unrelated tiles by about 32. Tiles of glass alone have no structure:
    their bits are noise or all 0.

    Source: N. Krawetz, "Kind of like that", hackerfactor.com, 2013.

    Args:
        tiles: uint8 RGB (N, height, width, 3).
    """
    small = np.empty((len(tiles), _SHAPE[1], _SHAPE[0]), np.float32)
    for tile, into in zip(tiles, small, strict=True):
        grey = cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY).astype(np.float32)
        cv2.resize(grey, _SHAPE, dst=into, interpolation=cv2.INTER_AREA)
    bits = small[:, :, :-1] < small[:, :, 1:]
    packed = np.packbits(bits.reshape(len(tiles), 64), axis=1)
    return packed.view(">u8")[:, 0].astype(np.uint64)
