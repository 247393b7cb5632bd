"""Slides for the benchmarks: mosaics of real H&E, laid out as Aperio's scanner lays them out.

Squares of 512 px from the two real slides in `../shared/data` (or HISTOTILE_SHARED), turned and
mirrored at random, on islands that cover 40 % of noisy glass; levels 1/4/16, tiles of 256 px, JPEG
of quality 85 with 4:2:0, 0.5 um/px. Without the real slides the squares are the project's
synthetic tissue. The same seed gives the same bytes. Kept in `.bench/slides`; VERSION, a part of
their names, counts how often a change here made other slides.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

import cv2
import numpy as np
import simplejpeg
import tifffile
from numpy.typing import NDArray

from histotile.io.atomic import replacing
from histotile.slides.overview import read_overview
from histotile.slides.slide import Slide
from histotile.slides.tile_reader import read_tile
from histotile.synthetic.slides.spec import Spec
from histotile.synthetic.slides.world import World

ROOT = Path(__file__).parents[2]
BENCH = ROOT / ".bench"
DATA = Path(os.environ.get("HISTOTILE_SHARED", ROOT.parent / "shared")) / "data"
REAL = ("CMU-1-Small-Region.svs", "TCGA-CR-7395-01A-01-TS1.svs")
LARGE, MIDDLE, SMALL = (40_000, 30_000), (16_384, 12_288), (4_096, 3_072)
VERSION = 2
SQUARE, TILE_PX, QUALITY, MPP, TISSUE = 512, 256, 85, 0.5, 0.4
Rgb = NDArray[np.uint8]
Corners = NDArray[np.int64]
Floats = NDArray[np.float32]


def made_of() -> str:
    """Words for what the slides are made of on this machine."""
    return "real H&E" if real_slides() else "synthetic H&E"


def mosaic(size: tuple[int, int], seed: int = 0) -> Path:
    """The slide of this size (px), made unless it is there."""
    kind, (width, height) = made_of().split()[0], size
    path = BENCH / "slides" / f"mosaic_{kind}_{width}x{height}_{seed}_v{VERSION}.svs"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        print(f"making {path.name}", flush=True)
        with replacing(path) as temporary:
            _write(temporary, size, seed)
    return path


def tissue(slide: Slide, side: int, offset: tuple[int, int]) -> Corners:
    """x, y (n, 2; level-0 px) of the squares of a grid that are mostly tissue, row by row."""
    overview, downsample = read_overview(slide, max_px=2000)
    dark = overview.min(axis=2) < 215
    found = []
    for y in range(offset[1], slide.height - side + 1, side):
        for x in range(offset[0], slide.width - side + 1, side):
            left, top = int(x / downsample), int(y / downsample)
            right, bottom = int((x + side) / downsample), int((y + side) / downsample)
            if dark[top:bottom, left:right].mean() > 0.9:
                found.append((x, y))
    return np.array(found, np.int64).reshape(-1, 2)


def _write(path: Path, size: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    width, height = size
    small = np.empty((-(-height // 4), -(-width // 4), 3), np.uint8)
    with TemporaryFile(dir=path.parent) as spool:
        for top, band in _bands(size, rng):
            for row in range(0, SQUARE, TILE_PX):
                if top + row < height:
                    for data in _encoded(band[row : row + TILE_PX, :width]):
                        spool.write(len(data).to_bytes(4, "little") + data)
            shrunk = _quarter(band)
            rows = min(SQUARE // 4, len(small) - top // 4)
            small[top // 4 : top // 4 + rows] = shrunk[:rows, : small.shape[1]]
        spool.seek(0)
        count = -(-width // TILE_PX) * -(-height // TILE_PX)
        first = (spool.read(int.from_bytes(spool.read(4), "little")) for _ in range(count))
        with tifffile.TiffWriter(path) as tiff:
            _page(tiff, first, size, describe(size))
            _page(tiff, _all_encoded(small), (small.shape[1], small.shape[0]), None)
            smallest = _quarter(small)
            _page(tiff, _all_encoded(smallest), (smallest.shape[1], smallest.shape[0]), None)


def _quarter(picture: Rgb) -> Rgb:
    found = cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    return np.asarray(found, np.uint8)


def describe(size: tuple[int, int]) -> str:
    """What Aperio's software writes about such a slide."""
    extent = f"{size[0]}x{size[1]}"
    return (
        f"Aperio Image Library v12.0.0\n{extent} [0,0 {extent}] ({TILE_PX}x{TILE_PX}) "
        f"JPEG/RGB Q={QUALITY}|AppMag = {10 / MPP:g}|MPP = {MPP:.4f}"
    )


def _bands(size: tuple[int, int], rng: np.random.Generator) -> Iterator[tuple[int, Rgb]]:
    """From top to bottom: the first row (px), and SQUARE rows of the whole padded width."""
    squares = _squares(rng)
    columns, rows = (-(-side // SQUARE) for side in size)
    islands = _islands(rows, columns, rng)
    glass = _glass(rng)
    for row in range(rows):
        cells = islands[row * 8 : row * 8 + 9]
        alpha = cv2.resize(cells, (columns * SQUARE, SQUARE + SQUARE // 8))[:SQUARE]
        band = np.concatenate([glass] * columns, axis=1)
        for column in range(columns):
            here = slice(column * SQUARE, (column + 1) * SQUARE)
            share = alpha[:, here]
            if not share.any():
                continue
            turned = np.rot90(squares[rng.integers(len(squares))], int(rng.integers(4)))
            tissue = turned[:, :: rng.choice((-1, 1))]
            if share.min() >= 1:
                band[:, here] = tissue
            else:
                mixed = band[:, here] + share[..., None] * (tissue.astype(np.float32) - glass)
                band[:, here] = np.rint(mixed).astype(np.uint8)
        yield row * SQUARE, band


def _islands(rows: int, columns: int, rng: np.random.Generator) -> Floats:
    """Share of tissue, 8 cells per square: smooth islands over TISSUE of the slide."""
    noise = rng.standard_normal((rows * 8 + 1, columns * 8 + 1)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), sigmaX=max(4.0, columns * 8 / 25))
    edge = np.quantile(smooth, 1 - TISSUE)
    found: Floats = np.clip((smooth - edge) / (0.05 * smooth.std()) + 0.5, 0, 1)
    return found


def _glass(rng: np.random.Generator) -> Rgb:
    grain = rng.normal((243, 242, 245), 1.5, (SQUARE, SQUARE, 3))
    return np.rint(grain).clip(0, 255).astype(np.uint8)


def real_slides() -> list[Path]:
    """The real slides that the mosaics are made of, where they are there."""
    slides = [DATA / "slides" / name for name in REAL]
    return slides if all(path.exists() for path in slides) else []


def _squares(rng: np.random.Generator) -> list[Rgb]:
    """Squares full of tissue: real, else synthetic."""
    found = []
    for path in real_slides():
        with Slide.open(path, mpp=MPP) as slide:
            for y in range(0, slide.height - SQUARE + 1, SQUARE // 2):
                for x in range(0, slide.width - SQUARE + 1, SQUARE // 2):
                    square = read_tile(slide, x, y, MPP, SQUARE)
                    if np.mean(square.min(axis=2) < 200) > 0.7:
                        found.append(square)
    if found:
        return found
    side = 8 * SQUARE
    world = World(Spec(side, side, int(rng.integers(1000)), mpp=MPP, cover="healthy"))
    region = world.region(0, 0, side, side)
    corners = range(0, side, SQUARE)
    return [region[y : y + SQUARE, x : x + SQUARE] for y in corners for x in corners]


def _all_encoded(picture: Rgb) -> Iterator[bytes]:
    for top in range(0, len(picture), TILE_PX):
        yield from _encoded(picture[top : top + TILE_PX])


def _encoded(band: Rgb) -> Iterator[bytes]:
    missing = (TILE_PX - len(band), -band.shape[1] % TILE_PX)
    padded = np.pad(band, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
    for left in range(0, padded.shape[1], TILE_PX):
        tile = np.ascontiguousarray(padded[:, left : left + TILE_PX])
        yield simplejpeg.encode_jpeg(tile, quality=QUALITY, colorsubsampling="420")


def _page(
    tiff: tifffile.TiffWriter,
    tiles: Iterator[bytes],
    size: tuple[int, int],
    description: str | None,
) -> None:
    tiff.write(
        tiles,
        shape=(size[1], size[0], 3),
        dtype=np.uint8,
        tile=(TILE_PX, TILE_PX),
        photometric="ycbcr",
        compression="jpeg",
        subsampling=(2, 2),
        metadata=None,
        software=None,
        description=description,
        subfiletype=0 if description else 1,
        resolution=(1e4 / MPP, 1e4 / MPP) if description else None,
        resolutionunit="CENTIMETER" if description else None,
    )
