"""From the compressed bytes of a tile to its pixels, as libtiff and OpenSlide see them."""

import struct
from collections.abc import Callable
from functools import partial

import imagecodecs
import numpy as np
import simplejpeg
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Decoder = Callable[[bytes], Rgb]

RGB, YCBCR = 2, 6  # TIFF's photometric interpretations
JPEG, APERIO_JPEG2000 = 7, 33005  # TIFF's compressions
COMPRESSIONS = {JPEG, APERIO_JPEG2000}


class UndecodableTile(Exception):  # noqa: N818 - named after what the caller goes on from
    """The bytes of a tile do not decode to pixels of its size."""


def decoder(
    compression: int,
    photometric: int,
    tables: bytes,
    shape: tuple[int, int, int],
    factor: int = 1,
) -> Decoder:
    """The function from a level's compressed tiles to RGB (height, width, 3).

    It raises UndecodableTile where the decoding library notices that a tile is damaged, even if a
    picture could be made of it.

    Args:
        compression: JPEG or APERIO_JPEG2000.
        photometric: RGB or YCBCR: how the three channels are meant. JPEG streams in TIFF mostly
            do not say it themselves; of JPEG 2000 streams the compression says it.
        tables: The JPEG tables that the level's tiles share (TIFF's JPEGTables); may be empty.
        shape: Of a tile: height, width, 3.
        factor: Of JPEG alone: how many times smaller it comes out (1, 2, 4, 8); divides the shape.
    """
    if compression == APERIO_JPEG2000:
        return partial(_jpeg2000, shape=shape)
    smaller = (shape[0] // factor, shape[1] // factor, 3)
    least = {} if factor == 1 else {"min_height": smaller[0], "min_width": smaller[1]}
    return partial(_jpeg, tables=tables, photometric=photometric, shape=smaller, least=least)


_SOI, _EOI, _APP0, _APP14 = b"\xff\xd8", b"\xff\xd9", 0xE0, 0xEE
_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"  # the next byte: 0 RGB, 1 YCbCr


def whole_jpeg(data: bytes, tables: bytes, photometric: int) -> bytes:
    """A compressed tile as a JPEG file: with its tables, and told how its colours are meant.

    Args:
        data: The tile as it lies in the slide.
        tables: Those that the level's tiles share; may be empty.
        photometric: RGB or YCBCR.

    Raises:
        UndecodableTile: The bytes are no JPEG stream, or mean their colours otherwise.
    """
    if data[:2] != _SOI or len(data) < 4:
        raise UndecodableTile("no JPEG stream")
    told, meant = data[3], bytes([photometric == YCBCR])
    if (told == _APP14 and data[17:18] != meant) or (told == _APP0 and photometric == RGB):
        raise UndecodableTile("its colours are meant otherwise than the file says")
    marker = b"" if told in {_APP0, _APP14} else _ADOBE + meant
    return _SOI + marker + tables.removeprefix(_SOI).removesuffix(_EOI) + data[2:]


def _jpeg(
    data: bytes, tables: bytes, photometric: int, shape: tuple[int, int, int], least: dict[str, int]
) -> Rgb:
    stream = whole_jpeg(data, tables, photometric)
    try:
        picture: Rgb = simplejpeg.decode_jpeg(
            stream,
            "RGB",
            fastdct=False,
            fastupsample=False,
            buffer=np.empty(shape, np.uint8),  # a damaged header may claim any size
            **least,
        )
    except ValueError as error:
        raise UndecodableTile(str(error)) from error
    if picture.shape != shape:
        raise UndecodableTile(f"{picture.shape} instead of {shape}")
    return picture


def _jpeg2000(data: bytes, shape: tuple[int, int, int]) -> Rgb:
    height, width, channels = shape
    claimed = struct.pack(">II8xII8xH", width, height, width, height, channels)
    if data[:4] != b"\xff\x4f\xff\x51" or data[8:42] != claimed:
        raise UndecodableTile(f"no JPEG 2000 stream in one piece of {shape}")
    try:
        picture = np.asarray(imagecodecs.jpeg2k_decode(data))
    except (ValueError, RuntimeError) as error:
        raise UndecodableTile(str(error)) from error
    if picture.shape != shape or picture.dtype != np.uint8:
        raise UndecodableTile(f"{picture.dtype} {picture.shape} instead of {shape}")
    return picture
