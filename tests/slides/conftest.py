"""Slides written on the fly: tiled pyramids with known pixels."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
WriteSlide = Callable[..., Path]
Places = Callable[[Rgb, str], NDArray[np.float64]]

WIDTH, HEIGHT = 1021, 903  # no multiples of 4 or 16: OpenSlide's downsamples are not whole


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


def gradient(axis: str, factor: int) -> Rgb:
    """Red grows along an axis by 0.2 per level-0 px and blue falls by as much.

    Every level is dithered by itself and so widely that rounding is even: means keep fractions.
    """
    y, x = factor * np.mgrid[0.5 : HEIGHT // factor, 0.5 : WIDTH // factor]
    ramp = 0.2 * (x if axis == "x" else y)
    dither = np.random.default_rng(factor).uniform(-3, 3, (*x.shape, 3))
    channels = np.stack([10 + ramp, np.full_like(ramp, 128), 240 - ramp], axis=-1)
    return np.asarray(np.rint(channels + dither), np.uint8)


def noise(width: int, height: int) -> Rgb:
    """Every px at random, the same each time."""
    return np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.fixture(scope="session")
def places() -> Places:
    """Where each column or row of a picture made from `gradient` lies along the axis (level-0 px).

    What resampling adds by rounding is alike in red and blue and cancels.
    """

    def find(rgb: Rgb, axis: str) -> NDArray[np.float64]:
        values = rgb.astype(float).mean(axis=0 if axis == "x" else 1)
        return np.asarray((values[:, 0] - values[:, 2] + 230) / 0.4)

    return find


@pytest.fixture(scope="session")
def slides(
    tmp_path_factory: pytest.TempPathFactory, write_slide: WriteSlide
) -> dict[tuple[str, bool], Path]:
    """Slides of three levels by what they show (gradients along x or y, noise) and vendor."""
    folder = tmp_path_factory.mktemp("slides")
    factors = (1, 4, 16)
    levels = {axis: [gradient(axis, f) for f in factors] for axis in "xy"} | {"noise": None}
    return {
        (name, aperio): write_slide(
            folder / f"{name} é😐 {aperio}.tif",
            noise(WIDTH, HEIGHT),
            factors,
            aperio=aperio,
            levels=levels[name],
        )
        for name in levels
        for aperio in (False, True)
    }


@pytest.fixture(scope="session", params=[(515, 258), (516, 271), (640, 512)])
def leica(
    request: Any, tmp_path_factory: pytest.TempPathFactory, write_scn: WriteSlide
) -> tuple[Path, Rgb, tuple[int, int]]:
    """A slide scanned in part, its level 0, and the corner of that; 4 and 16 do not divide both.

    Black and white in blocks of 16 px: each level shows them exactly.
    """
    blocks = np.random.default_rng(3).integers(0, 2, (48, 64, 1)) * np.full(3, 255)
    rgb = blocks.repeat(16, axis=0).repeat(16, axis=1).astype(np.uint8)
    path = tmp_path_factory.mktemp("leica") / "part.scn"
    return write_scn(path, rgb, request.param, (2311, 1703)), rgb, request.param


@pytest.fixture(scope="session")
def a_leica_slide(tmp_path_factory: pytest.TempPathFactory, write_scn: WriteSlide) -> Path:
    """A slide whose levels lie a fraction of their px off level 0."""
    path = tmp_path_factory.mktemp("leica") / "a.scn"
    return write_scn(path, noise(1024, 768), (516, 271), (2311, 1703))


@pytest.fixture(scope="session")
def write_jpeg_slide() -> WriteSlide:
    """Writes a tiled JPEG pyramid from its levels, in one of the dialects that scanners use.

    `markers`: whether each tile says itself how its channels are meant (JFIF, Adobe). `tables`:
    whether the tiles share their JPEG tables. `jpeg_2000`: Aperio's of RGB instead. `missing`:
    (level, tile) without bytes.
    """

    def write(
        path: Path,
        levels: Sequence[Rgb],
        tile_px: int = 64,
        subsampling: str = "420",
        photometric: str = "ycbcr",
        markers: bool = False,
        tables: bool = False,
        aperio: bool = False,
        jpeg_2000: bool = False,
        missing: frozenset[tuple[int, int]] = frozenset(),
        **how: Any,
    ) -> Path:
        with tifffile.TiffWriter(path, **how) as tiff:
            for number, level in enumerate(levels):
                parts = [
                    (b"", bytes(imagecodecs.jpeg2k_encode(tile, level=40, codecformat="j2k")))
                    if jpeg_2000
                    else jpeg_parts(encode(tile, photometric, subsampling), markers, tables)
                    for tile in tiles_of(level, tile_px)
                ]
                streams = [
                    b"" if (number, place) in missing else stream
                    for place, (_, stream) in enumerate(parts)
                ]
                size = f"{level.shape[1]}x{level.shape[0]}"
                shared = b"\xff\xd8" + parts[-1][0] + b"\xff\xd9"
                tiff.write(
                    iter(streams),
                    shape=level.shape,
                    dtype="uint8",
                    tile=(tile_px, tile_px),
                    photometric=photometric,
                    subsampling=SUBSAMPLING[subsampling] if photometric == "ycbcr" else None,
                    compression=33005 if jpeg_2000 else "jpeg",
                    metadata=None,
                    description=f"Aperio Image\r\n{size}|MPP = 0.5" if aperio else None,
                    extratags=[(347, "B", len(shared), shared, True)] if tables else [],
                    subfiletype=1 if number else 0,
                )
        return path

    return write


@pytest.fixture(scope="session")
def cut_jpeg() -> Callable[[bytes, bool, bool], tuple[bytes, bytes]]:
    """See `jpeg_parts`."""
    return jpeg_parts


SUBSAMPLING = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}


def tiles_of(level: Rgb, tile_px: int) -> Iterator[Rgb]:
    """The tiles of a level in file order, those at its end filled up with grey."""
    for y in range(0, level.shape[0], tile_px):
        for x in range(0, level.shape[1], tile_px):
            tile = np.full((tile_px, tile_px, 3), 99, np.uint8)
            part = level[y : y + tile_px, x : x + tile_px]
            tile[: part.shape[0], : part.shape[1]] = part
            yield tile


def encode(tile: Rgb, photometric: str, subsampling: str) -> bytes:
    """A JPEG stream with all its markers, its channels stored as the photometric kind says."""
    stored = "rgb" if photometric == "rgb" else "ycbcr"
    return bytes(
        imagecodecs.jpeg8_encode(
            tile, 85, colorspace="rgb", outcolorspace=stored, subsampling=SUBSAMPLING[subsampling]
        )
    )


def jpeg_parts(stream: bytes, markers: bool, tables: bool) -> tuple[bytes, bytes]:
    """The tables to share (or nothing), and the stream without what it shall not say itself.

    Without markers the channels are numbered 1, 2, 3, which alone reads as YCbCr.
    """
    shared, own, at = b"", b"\xff\xd8", 2
    while True:
        kind, end = stream[at + 1], at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        segment = bytearray(stream[at:end])
        if not markers and kind in {0xC0, 0xDA}:
            first, step = (10, 3) if kind == 0xC0 else (5, 2)
            segment[first : first + 3 * step : step] = bytes([1, 2, 3])
        if tables and kind in {0xDB, 0xC4}:
            shared += segment
        elif markers or kind not in {0xE0, 0xEE}:
            own += segment
        if kind == 0xDA:
            return shared, own + stream[end:]
        at = end
