"""How the pixels of one tile become bytes in a pack, and pixels again."""

from __future__ import annotations

from enum import IntEnum

import imagecodecs
import numpy as np
import simplejpeg
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]


class Codec(IntEnum):
    """How a tile is kept: a whole JPEG file, planes without loss, or not at all as it is damaged.

    Of what keeps every pixel of H&E, planes are the fastest to read and among the smallest (see
    benchmarks/packs.csv): of each px the difference to its neighbours, packed by Zstandard.
    """

    JPEG = 0
    PLANES = 1
    DAMAGED = 2


def encode(rgb: Rgb, quality: int) -> tuple[Codec, bytes]:
    """The tile as a JPEG of this quality with whole colour (4:4:4); 0: as planes, without loss."""
    if quality:
        pixels = np.ascontiguousarray(rgb)
        return Codec.JPEG, simplejpeg.encode_jpeg(pixels, quality, colorsubsampling="444")
    return Codec.PLANES, _encode_planes(rgb)


def decode(codec: Codec, data: bytes, tile_px: int) -> Rgb:
    """The pixels, (tile_px, tile_px, 3).

    Raises:
        ValueError: The bytes are no such tile.
    """
    if codec is Codec.JPEG:
        rgb = simplejpeg.decode_jpeg(data, colorspace="RGB")
        if rgb.shape != (tile_px, tile_px, 3):
            raise ValueError(f"a picture of {rgb.shape[1]} x {rgb.shape[0]} px")
        return np.asarray(rgb)
    return _decode_planes(data, tile_px)


def is_whole(data: bytes, tile_px: int) -> bool:
    """Whether `decode` takes these bytes as a JPEG file of a tile, found in less than its time.

    The tile is decoded at an eighth of its size; where the stream breaks shows as at full size.
    """
    eighth = -(-tile_px // 8)
    try:
        if simplejpeg.decode_jpeg_header(data)[:2] != (tile_px, tile_px):
            return False
        simplejpeg.decode_jpeg(data, "RGB", min_height=eighth, min_width=eighth)
    except ValueError:
        return False
    return True


def _encode_planes(rgb: Rgb) -> bytes:
    """Planes R-G, G, B-G; of each px what left + above - above left does not say, modulo 256."""
    planes = rgb.transpose(2, 0, 1).copy("C")  # the caller keeps its own
    planes[0] -= planes[1]
    planes[2] -= planes[1]
    down = imagecodecs.delta_encode(planes, axis=1)
    across = imagecodecs.delta_encode(down, axis=2)
    return bytes(imagecodecs.zstd_encode(across.tobytes(), level=1))


def _decode_planes(data: bytes, tile_px: int) -> Rgb:
    try:
        flat = imagecodecs.zstd_decode(data, out=3 * tile_px * tile_px)
        across = np.frombuffer(flat, np.uint8).reshape(3, tile_px, tile_px)
    except imagecodecs.ZstdError as error:
        raise ValueError(str(error)) from error
    planes = imagecodecs.delta_decode(imagecodecs.delta_decode(across, axis=2), axis=1)
    planes[0] += planes[1]
    planes[2] += planes[1]
    from cv2 import merge  # whose import takes longer than packing many a slide

    return np.asarray(merge((planes[0], planes[1], planes[2])))
