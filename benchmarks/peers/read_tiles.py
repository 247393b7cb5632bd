"""Time readers of slides on given windows, in the environment that holds them.

    python read_tiles.py SLIDE WINDOWS.npz READER,READER,...

WINDOWS.npz holds per case an int64 array (n, 2) of x, y (level-0 px), in the order of reading, and
`<case>_side`: side of the window, level-0 px. What is read is RGB (256, 256, 3): windows of another
side are resampled by Pillow's antialiased bilinear filter, as histotile's are. Prints JSON: per
reader, per case: ms of the processor per tile, and the largest and the mean difference of its
pixels from OpenSlide's on 30 of the tiles.

The clock of a reader starts before it opens the slide, so what it does to get ready counts:
histotile's check against OpenSlide and its look at what will be read. Not counted are loading the
libraries, and numba's compiling of histotile's resampling, once on a machine. Raw decoding is the
limit and no reader: its compressed tiles lie in memory when its clock starts.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TILE_PX, MPP, COMPARED = 256, 0.5, 30
Rgb = NDArray[np.uint8]
Windows = NDArray[np.int64]
Read = Callable[[int, int, int], Rgb]  # x, y, side -> (side, side, 3) or (256, 256, 3)
Reader = Callable[[Path, Windows, int], Read]


def raw_decoding(slide: Path, windows: Windows, side: int) -> Read:
    """Decoding alone, of compressed tiles that lie in memory; whole tiles of level 0."""
    import simplejpeg
    import tifffile

    with tifffile.TiffFile(slide) as tiff:
        page: Any = tiff.pages[0]
        columns = -(-page.imagewidth // TILE_PX)
        numbers = windows[:, 1] // TILE_PX * columns + windows[:, 0] // TILE_PX
        data = {}
        for number in map(int, numbers):
            tiff.filehandle.seek(page.dataoffsets[number])
            data[number] = tiff.filehandle.read(page.databytecounts[number])

    def read(x: int, y: int, side: int) -> Rgb:
        del side
        found: Rgb = simplejpeg.decode_jpeg(data[y // TILE_PX * columns + x // TILE_PX])
        return found

    return read


def openslide_loop(slide: Path, windows: Windows, side: int) -> Read:
    """What one writes without thinking of speed."""
    import openslide

    handle = openslide.OpenSlide(slide)
    return lambda x, y, side: np.asarray(handle.read_region((x, y), 0, (side, side)).convert("RGB"))


def histotile_openslide(slide: Path, windows: Windows, side: int) -> Read:
    """Ours, through OpenSlide."""
    return _histotile(slide, windows, side, "openslide", True)


def histotile_direct(slide: Path, windows: Windows, side: int) -> Read:
    """Ours, by itself, told beforehand what will be read."""
    return _histotile(slide, windows, side, "auto", True)


def histotile_unannounced(slide: Path, windows: Windows, side: int) -> Read:
    """Ours, by itself, told nothing."""
    return _histotile(slide, windows, side, "auto", False)


def _histotile(
    slide: Path, windows: Windows, side: int, reader: Literal["auto", "openslide"], announced: bool
) -> Read:
    from histotile.slides.slide import Slide
    from histotile.slides.tile_reader import expect_tiles, read_tile

    opened = Slide.open(slide, mpp=MPP, reader=reader)
    if opened.reader != ("direct" if reader == "auto" else reader):
        raise RuntimeError(f"read by {opened.reader}: {opened.reader_note}")
    mpp = MPP * side / TILE_PX
    if announced:
        expect_tiles(opened, windows[:, 0], windows[:, 1], mpp, TILE_PX)
    return lambda x, y, side: read_tile(opened, x, y, mpp, TILE_PX)


def cucim(slide: Path, windows: Windows, side: int) -> Read:
    """The library cuCIM on the processor."""
    from cucim.clara import CuImage  # type: ignore[import-not-found]

    image = CuImage(str(slide))
    return lambda x, y, side: np.asarray(image.read_region((x, y), (side, side), level=0))


def pyvips(slide: Path, windows: Windows, side: int) -> Read:
    """The library libvips: tiffload."""
    import pyvips  # type: ignore[import-not-found]

    pyvips.cache_set_max(0)  # else a slide opened again remembers what was read before
    region = pyvips.Region.new(pyvips.Image.new_from_file(str(slide), page=0))

    def read(x: int, y: int, side: int) -> Rgb:
        return np.frombuffer(region.fetch(x, y, side, side), np.uint8).reshape(side, side, 3)

    return read


def fastslide(slide: Path, windows: Windows, side: int) -> Read:
    """FastSlide."""
    from fastslide import FastSlide  # type: ignore[import-not-found]

    opened = FastSlide.from_file_path(str(slide))
    return lambda x, y, side: np.asarray(opened.read_region((x, y), 0, (side, side)).numpy())


def tifffile_zarr(slide: Path, windows: Windows, side: int) -> Read:
    """Tifffile's view as a Zarr array, decoded by imagecodecs."""
    import tifffile
    import zarr  # type: ignore[import-not-found]

    pixels = zarr.open(tifffile.TiffFile(slide).pages[0].aszarr(), mode="r")
    return lambda x, y, side: np.asarray(pixels[y : y + side, x : x + side])


READERS = (
    *(raw_decoding, openslide_loop, histotile_openslide, histotile_direct, histotile_unannounced),
    *(cucim, pyvips, fastslide, tifffile_zarr),
)


def whole(read: Read, x: int, y: int, side: int) -> Rgb:
    """A tile of TILE_PX."""
    pixels = read(x, y, side)
    if len(pixels) == TILE_PX:
        return pixels
    picture = Image.fromarray(pixels).resize((TILE_PX, TILE_PX), Image.Resampling.BILINEAR)
    return np.asarray(picture)


def measure(reader: Reader, slide: Path, windows: Windows, side: int) -> dict[str, float]:
    """Cost and pixels of one reader on the windows of one case."""
    every = max(1, len(windows) // COMPARED)
    some = windows[::every]
    reference = openslide_loop(slide, windows, side)
    reader(slide, windows[:1], side)  # loads its library
    start = time.process_time()
    read = reader(slide, windows, side)
    if reader is raw_decoding:
        start = time.process_time()
    for x, y in windows.tolist():
        whole(read, x, y, side)
    spent = time.process_time() - start
    again = reader(slide, some, side)
    gaps = [
        whole(again, x, y, side).astype(np.int16) - whole(reference, x, y, side)
        for x, y in some.tolist()
    ]
    return {
        "ms": 1000 * spent / len(windows),
        "largest": float(np.abs(gaps).max()),
        "bias": float(np.mean(gaps)),
    }


def warm_up(slide: Path) -> None:
    """Has histotile's resampling compiled; it is used only where many tiles need it."""
    from histotile.slides.slide import Slide
    from histotile.slides.tile_reader import read_tile

    readers: tuple[Literal["auto", "openslide"], ...] = ("auto", "openslide")
    for reader in readers:
        with Slide.open(slide, mpp=MPP, reader=reader) as opened:
            for _ in range(300):
                read_tile(opened, 0, 0, 1.3 * MPP, 64)
            read_tile(opened, 0, 0, 2 * MPP, 64)


def main() -> None:
    slide, windows, wanted = Path(sys.argv[1]), np.load(sys.argv[2]), sys.argv[3].split(",")
    known: dict[str, Reader] = {reader.__name__: reader for reader in READERS}
    cases = [name for name in windows.files if not name.endswith("_side")]
    found: dict[str, dict[str, Any]] = {name: {} for name in wanted}
    if any("histotile" in name for name in wanted):
        warm_up(slide)
    for case in cases:
        side = int(windows[f"{case}_side"])
        for name in wanted:
            if name == "raw_decoding" and case != "aligned":
                continue
            try:
                found[name][case] = measure(known[name], slide, windows[case], side)
            except Exception as error:  # noqa: BLE001 - a peer may fail in its own way: told as it is
                found[name][case] = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
