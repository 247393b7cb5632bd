"""Store a slide's tissue tiles with LazySlide: `lazyslide_tiles.py SLIDE FOLDER png|jpg`.

Its mask, its tiles, saved by Pillow. Prints how many.
"""

import sys
from pathlib import Path
from typing import Any

import lazyslide  # type: ignore[import-not-found]
from PIL import Image
from wsidata import open_wsi  # type: ignore[import-not-found]


def main() -> None:
    slide, folder, suffix = sys.argv[1:]
    opened = open_wsi(slide, store=str(Path(folder) / "store.zarr"))
    lazyslide.pp.find_tissues(opened)
    lazyslide.pp.tile_tissues(opened, 256, mpp=0.5, background_fraction=0.5)
    options: dict[str, Any] = {"quality": 90} if suffix == "jpg" else {}
    count = 0
    for count, tile in enumerate(opened.iter.tile_images("tiles"), start=1):
        Image.fromarray(tile.image).save(Path(folder) / f"{count}.{suffix}", **options)
    print(count)


if __name__ == "__main__":
    main()
