"""From compressed tiles to pixels."""

import subprocess
import sys
from collections.abc import Callable

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from histotile.slides.readers.tiff.codecs import (
    APERIO_JPEG2000,
    JPEG,
    RGB,
    YCBCR,
    UndecodableTile,
    decoder,
)

Rgb = NDArray[np.uint8]
SHAPE = (48, 64, 3)
CutJpeg = Callable[[bytes, bool, bool], tuple[bytes, bytes]]


def soft(seed: int = 0) -> Rgb:
    """A picture that JPEG hardly changes, its channels unlike each other."""
    rng = np.random.default_rng(seed)
    small = rng.uniform(0, 255, (4, 5, 3))
    rows, columns = np.linspace(0, 2.999, SHAPE[0]), np.linspace(0, 3.999, SHAPE[1])
    i, j = rows.astype(int), columns.astype(int)
    v, u = (rows - i)[:, None, None], (columns - j)[None, :, None]
    upper = small[i][:, j] * (1 - u) + small[i][:, j + 1] * u
    lower = small[i + 1][:, j] * (1 - u) + small[i + 1][:, j + 1] * u
    return np.ascontiguousarray(upper * (1 - v) + lower * v, np.uint8)


def encoded(picture: Rgb, stored: str) -> bytes:
    return bytes(
        imagecodecs.jpeg8_encode(
            picture, 95, colorspace="rgb", outcolorspace=stored, subsampling="444"
        )
    )


@pytest.mark.parametrize(("stored", "photometric"), [("rgb", RGB), ("ycbcr", YCBCR)])
def test_a_bare_stream_is_meant_as_the_file_says(
    cut_jpeg: CutJpeg, stored: str, photometric: int
) -> None:
    picture, stream = soft(), encoded(soft(), stored)
    _, bare = cut_jpeg(stream, False, False)
    decoded = decoder(JPEG, photometric, b"", SHAPE)(bare)
    assert np.abs(decoded.astype(int) - picture).mean() < 3
    np.testing.assert_array_equal(decoded, imagecodecs.jpeg8_decode(stream))
    other = decoder(JPEG, RGB + YCBCR - photometric, b"", SHAPE)(bare)
    assert np.abs(other.astype(int) - picture).mean() > 10


def test_a_stream_that_agrees_with_the_file_is_taken_as_it_is() -> None:
    for stored, photometric in (("rgb", RGB), ("ycbcr", YCBCR)):
        stream = encoded(soft(), stored)
        decoded = decoder(JPEG, photometric, b"", SHAPE)(stream)
        np.testing.assert_array_equal(decoded, imagecodecs.jpeg8_decode(stream))


def test_a_stream_that_contradicts_the_file_is_refused() -> None:
    jfif, adobe = encoded(soft(), "ycbcr"), encoded(soft(), "rgb")
    assert (jfif[3], adobe[3]) == (0xE0, 0xEE)
    for stream, photometric in ((jfif, RGB), (adobe, YCBCR)):
        with pytest.raises(UndecodableTile, match="otherwise"):
            decoder(JPEG, photometric, b"", SHAPE)(stream)


@pytest.mark.parametrize(("stored", "photometric"), [("rgb", RGB), ("ycbcr", YCBCR)])
def test_tables_apart_from_the_stream(cut_jpeg: CutJpeg, stored: str, photometric: int) -> None:
    stream = encoded(soft(1), stored)
    shared, short = cut_jpeg(stream, False, True)
    tables = b"\xff\xd8" + shared + b"\xff\xd9"
    whole = decoder(JPEG, photometric, b"", SHAPE)(cut_jpeg(stream, False, False)[1])
    np.testing.assert_array_equal(decoder(JPEG, photometric, tables, SHAPE)(short), whole)
    with pytest.raises(UndecodableTile):
        decoder(JPEG, photometric, b"", SHAPE)(short)


def test_jpeg_2000_without_loss() -> None:
    picture = soft(2)
    stream = bytes(imagecodecs.jpeg2k_encode(picture, level=0, codecformat="j2k"))
    np.testing.assert_array_equal(decoder(APERIO_JPEG2000, RGB, b"", SHAPE)(stream), picture)


def test_tiles_of_another_size_are_refused() -> None:
    streams = {
        JPEG: encoded(soft(), "ycbcr"),
        APERIO_JPEG2000: bytes(imagecodecs.jpeg2k_encode(soft(), codecformat="j2k")),
    }
    for compression, stream in streams.items():
        with pytest.raises(UndecodableTile, match=r"instead of|in one piece"):
            decoder(compression, YCBCR, b"", (64, 64, 3))(stream)


@given(data=st.data(), compression=st.sampled_from([JPEG, APERIO_JPEG2000]))
def test_cut_or_foreign_bytes_give_a_tile_or_the_one_error(
    data: st.DataObject, compression: int
) -> None:
    if compression == JPEG:
        stream = encoded(soft(), "ycbcr")
    else:
        stream = bytes(imagecodecs.jpeg2k_encode(soft(), codecformat="j2k"))
    cut = data.draw(st.integers(0, len(stream) - 3))
    junk = data.draw(st.binary(max_size=20))
    decode = decoder(compression, YCBCR, b"", SHAPE)
    for damaged in (stream[:cut], stream[:cut] + junk, junk):
        try:
            assert decode(damaged).shape == SHAPE
        except UndecodableTile:
            continue
    if compression == JPEG:
        with pytest.raises(UndecodableTile):
            decode(stream[:cut])


_LITTLE = """
import resource, sys
from histotile.slides.readers.tiff.codecs import APERIO_JPEG2000, JPEG, YCBCR
from histotile.slides.readers.tiff.codecs import UndecodableTile, decoder
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20), resource.RLIM_INFINITY))
compression = {"jpeg": JPEG, "jpeg 2000": APERIO_JPEG2000}[sys.argv[1]]
try:
    decoder(compression, YCBCR, b"", (48, 64, 3))(sys.stdin.buffer.read())
except UndecodableTile as error:
    print("refused", error)
"""


@pytest.mark.parametrize("compression", ["jpeg", "jpeg 2000"])
def test_a_header_that_claims_a_huge_tile_takes_no_memory(compression: str) -> None:
    if compression == "jpeg":
        stream = bytearray(encoded(soft(), "ycbcr"))
        at = stream.index(b"\xff\xc0") + 5
        stream[at : at + 4] = b"\xff\xf0" * 2
    else:
        stream = bytearray(imagecodecs.jpeg2k_encode(soft(), codecformat="j2k"))
        stream[8:10] = stream[12:14] = b"\x7f\xff"
    words = [sys.executable, "-c", _LITTLE, compression]
    told = subprocess.check_output(words, input=bytes(stream)).decode()
    assert told.startswith("refused")
    assert "memory" not in told.lower()
