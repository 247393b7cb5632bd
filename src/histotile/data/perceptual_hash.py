"""Fingerprints of tiles that near-copies share, whatever their compression."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 32  # px of a thumbnail
_SHAPE = (9, 8)  # columns and rows that the tile is shrunk to: 8 x 8 differences

Hashes = NDArray[np.uint64]
Pictures = NDArray[np.uint8]


def dhash(tiles: Pictures) -> Hashes:
    """64-bit difference hash of each tile: how many bits differ says how unlike two tiles are.

    The grey tile is shrunk to 9 x 8 px (mean over areas); each bit says whether a pixel is darker
    than its right neighbour, rows from the top, the first bit the highest. Copies saved again as
    JPEG differ by a few bits, unrelated tiles by about 32. Tiles of glass alone have no structure:
    their bits are noise or all 0.

    Source: N. Krawetz, "Kind of like that", hackerfactor.com, 2013.

    Args:
        tiles: uint8 RGB (N, height, width, 3), or grey as `thumbnails`.
    """
    small = _shrink(tiles, _SHAPE)
    bits = small[:, :, :-1] < small[:, :, 1:]
    return _packed(bits)


def thumbnails(tiles: Pictures) -> Pictures:
    """(N, 32, 32) the grey tiles, shrunk: what copies that are turned or cropped are known by.

    Args:
        tiles: uint8 RGB (N, height, width, 3).
    """
    return np.rint(_shrink(tiles, (SIDE, SIDE))).astype(np.uint8)


def turn(pictures: Pictures, orientation: int) -> Pictures:
    """Square pictures (N, side, side) in one of eight orientations; 0 is as they are.

    Bit 2 transposes, then bit 0 turns them upside down, and bit 1 swaps left and right.
    """
    turned = pictures.swapaxes(1, 2) if orientation & 4 else pictures
    turned = turned[:, ::-1] if orientation & 1 else turned
    return turned[:, :, ::-1] if orientation & 2 else turned


def turned_hashes(hashes: Hashes, transposed: Hashes) -> Hashes:
    """(8, N) difference hashes of the tiles in all orientations of `turn`.

    Args:
        hashes: (N,) those of the tiles.
        transposed: (N,) those of the tiles transposed: rows became columns.
    """
    found = []
    for orientation in range(8):
        own = transposed if orientation & 4 else hashes
        bits = np.unpackbits(own.astype(">u8").view(np.uint8)).reshape(-1, 8, 8)
        bits = bits[:, ::-1] if orientation & 1 else bits
        bits = 1 - bits[:, :, ::-1] if orientation & 2 else bits
        found.append(_packed(bits))
    return np.stack(found)


def _shrink(tiles: Pictures, shape: tuple[int, int]) -> NDArray[np.float32]:
    """(N, rows, columns) grey tiles of this many columns and rows: means over areas."""
    small = np.empty((len(tiles), shape[1], shape[0]), np.float32)
    for tile, into in zip(tiles, small, strict=True):
        grey = cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY) if tile.ndim == 3 else tile
        cv2.resize(grey.astype(np.float32), shape, dst=into, interpolation=cv2.INTER_AREA)
    return small


def _packed(bits: NDArray[np.bool_] | NDArray[np.uint8]) -> Hashes:
    packed = np.packbits(bits.reshape(len(bits), 64), axis=1)
    return packed.view(">u8")[:, 0].astype(np.uint64)
