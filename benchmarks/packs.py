"""What reading a tile for training costs, from a slide and from packs of its tiles.

On mosaics of real H&E (see `peers/mosaic.py`), one thread, data in memory, tiles in random order:
tiles that are the slide's own compressed ones, tiles of 224 px off its grid, and such at half the
scale. Then what a pool of open slides saves where tiles come from 40 slides at random. The readers
take turns. Writes benchmarks/packs.csv (ms of the processor per tile, kB per tile) and packs.svg.

    python benchmarks/packs.py [--quick]
"""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from peers import mosaic, rounds, tables

from histotile.data.packs.pack_file import PackedTile, decode_place, read_pack_index, write_pack
from histotile.data.packs.tile_codecs import Codec, Rgb, decode, encode
from histotile.data.slide_pool import SlidePool
from histotile.slides.random_access import FrugalSlide
from histotile.slides.readers.tiff.compressed_tiles import compressed_tiles
from histotile.slides.slide import Slide
from histotile.slides.tile_reader import read_tile

CASES = {  # side of the tiles (px), their mpp, and where their grid begins
    "own compressed tiles": (256, 0.5, 0),
    "off the grid": (224, 0.5, 37),
    "half the scale": (224, 1.0, 37),
}
CODECS: dict[str, tuple[Any, Any]] = {
    "qoi": (imagecodecs.qoi_encode, imagecodecs.qoi_decode),
    "webp, lossless": (
        partial(imagecodecs.webp_encode, level=0, lossless=True, method=0),
        imagecodecs.webp_decode,
    ),
    "jpeg-ls": (imagecodecs.jpegls_encode, imagecodecs.jpegls_decode),
    "jpeg xl, lossless, effort 1": (
        partial(imagecodecs.jpegxl_encode, lossless=True, effort=1),
        partial(imagecodecs.jpegxl_decode, numthreads=1),
    ),
    "png, level 1": (partial(imagecodecs.png_encode, level=1), imagecodecs.png_decode),
    "zstd of the pixels": (
        lambda rgb: imagecodecs.zstd_encode(rgb.tobytes(), level=1),
        imagecodecs.zstd_decode,
    ),
}
SLIDES, POOLS = 40, (16, 128)
Reads = dict[str, list[Callable[[], Any]]]


def from_pack(
    path: Path, tiles: list[tuple[Codec, bytes]], px: int, opened: ExitStack
) -> list[Callable[[], Any]]:
    """One read per tile, of a pack made of them."""
    write_pack(path, {}, (PackedTile(n, 0, 0, *tile) for n, tile in enumerate(tiles)))
    index = read_pack_index(path)
    file = opened.enter_context(path.open("rb", buffering=0)).fileno()

    def read(row: int) -> Rgb:
        place = index.place(row)
        return decode_place(path, os.pread(file, place.size, place.offset), place, px)

    return [partial(read, row) for row in range(len(tiles))]


def prepare(
    case: str, folder: Path, count: int, opened: ExitStack
) -> tuple[Reads, dict[str, float]]:
    """Reads by reader, and kB per tile of those that keep tiles; `opened` closes their files."""
    px, mpp, offset = CASES[case]
    path = mosaic.mosaic(mosaic.MIDDLE)
    direct = opened.enter_context(FrugalSlide.open(path, 0.5))
    plain = opened.enter_context(Slide.open(path, 0.5, "openslide"))
    corners = mosaic.tissue(direct, round(px * mpp / 0.5), (offset, offset))
    places = np.random.default_rng(0).permutation(corners)[:count]
    pixels = [read_tile(direct, int(x), int(y), mpp, px) for x, y in places]
    reads: Reads = {}
    for name, slide in (("OpenSlide", plain), ("histotile, direct reader", direct)):
        reads[name] = [partial(read_tile, slide, int(x), int(y), mpp, px) for x, y in places]
    kept: dict[str, list[tuple[Codec, bytes]]] = {}
    own = compressed_tiles(direct, mpp, px)
    numbers = own.numbers(*places.T) if own else np.empty(0, np.int64)
    copied = [own.jpeg(int(n)) for n in numbers if n >= 0] if own else []
    if copied:
        kept["copied"] = [(Codec.JPEG, data) for data in copied if data is not None]
        reads["raw decoding"] = [
            partial(decode, Codec.JPEG, data, px) for _, data in kept["copied"]
        ]
    else:
        kept["JPEG of quality 90"] = [encode(rgb, 90) for rgb in pixels]
    kept["lossless"] = [encode(rgb, 0) for rgb in pixels]
    for name, tiles in kept.items():
        what = f"histotile, pack, {name}"
        reads[what] = from_pack(folder / f"{case} {name}", tiles, px, opened)
    sizes = {f"histotile, pack, {name}": _kb([d for _, d in tiles]) for name, tiles in kept.items()}
    for name, (code, uncode) in CODECS.items() if not copied else ():
        coded = [bytes(code(rgb)) for rgb in pixels]
        reads[name] = [partial(uncode, data) for data in coded]
        sizes[name] = _kb(coded)
    return reads, sizes


def _kb(coded: list[bytes]) -> float:
    return float(np.mean([len(data) for data in coded])) / 1000


def take_turns(reads: Reads, turns: rounds.Rounds) -> dict[str, list[float]]:
    """Processor ms per tile of each reader, by round."""
    found: dict[str, list[float]] = defaultdict(list)
    for _ in turns:
        for name, calls in reads.items():
            begin = time.thread_time()
            for call in calls:
                call()
            found[name].append(1e3 * (time.thread_time() - begin) / len(calls))
    return found


def pooled(pool: SlidePool, path: Path, x: int, y: int) -> Rgb:
    """A tile of a slide that the pool opens if need be."""
    return read_tile(pool.get(path, 0.5), x, y, 0.5, 224)


def many_slides(folder: Path, count: int) -> Reads:
    """Tiles of many slides at random, through pools that hold few or all of them open."""
    names = [folder / f"slide{n}.svs" for n in range(SLIDES)]
    for name in names:
        name.symlink_to(mosaic.mosaic(mosaic.SMALL).resolve())
    rng = np.random.default_rng(0)
    draws = [
        (names[rng.integers(SLIDES)], *rng.integers(0, 2800, 2).tolist()) for _ in range(count)
    ]
    reads: Reads = {}
    for limit in POOLS:
        pool = SlidePool(limit)
        for name in names:
            read_tile(pool.get(name, 0.5), 0, 0, 0.5, 224)
        reads[f"histotile, {limit} slides open"] = [partial(pooled, pool, *draw) for draw in draws]
    ordered = sorted(range(count), key=lambda n: (n // 32, str(draws[n][0]), draws[n][2]))
    last = f"histotile, {POOLS[-1]} slides open"
    reads[f"{last}, batches of 32 sorted"] = [reads[last][n] for n in ordered]
    return reads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 rounds of a fifth of the tiles")
    quick = parser.parse_args().quick
    count, turns = (60, rounds.Rounds(2)) if quick else (300, rounds.Rounds(7))
    rows = []
    with tempfile.TemporaryDirectory(dir=mosaic.BENCH) as folder:
        for case in CASES:
            with ExitStack() as opened:
                reads, sizes = prepare(case, Path(folder), count, opened)
                found = take_turns(reads, turns)
            base = np.median(found["histotile, direct reader"])
            for name, values in found.items():
                note = f"{sizes[name]:.1f} kB per tile" if name in sizes else ""
                ratio = float(base / np.median(values))
                against = "times as fast as the direct reader"
                rows.append(tables.Row(case, name, values, "ms/tile", ratio, against, "", note))
        case = f"tiles of {SLIDES} slides"
        found = take_turns(many_slides(Path(folder), count), turns)
        base = np.median(next(iter(found.values())))
        for name, values in found.items():
            ratio, against = float(base / np.median(values)), f"times as fast as {POOLS[0]} open"
            rows.append(tables.Row(case, name, values, "ms/tile", ratio, against))
    title = f"One tile for training, one thread; mosaic of {mosaic.made_of()}"
    picture = tables.Picture("packs", "ms/tile", title, log=True)
    tables.finish("packs", rows, turns.loads, quick, picture)


if __name__ == "__main__":
    main()
