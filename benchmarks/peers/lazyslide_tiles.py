"""Store a slide's tissue tiles with LazySlide as JPEG: `lazyslide_tiles.py SLIDE FOLDER`.

Its mask, its tiles, saved by Pillow. Prints how many.
"""

import sys
from pathlib import Path

import lazyslide  # type: ignore[import-not-found]
from PIL import Image
from wsidata import open_wsi  # type: ignore[import-not-found]


def main() -> None:
    slide, folder = sys.argv[1:]
    opened = open_wsi(slide, store=str(Path(folder) / "store.zarr"))
    lazyslide.pp.find_tissues(opened)
    lazyslide.pp.tile_tissues(opened, 256, mpp=0.5, background_fraction=0.5)
    count = 0
    for count, tile in enumerate(opened.iter.tile_images("tiles"), start=1):
        Image.fromarray(tile.image).save(Path(folder) / f"{count}.jpg", quality=90)
    print(count)


if __name__ == "__main__":
    main()
