"""Store a slide's tissue tiles with histolab: `histolab_tiles.py SLIDE FOLDER`; PNG is all it can.

Prints how many.
"""

import sys
from pathlib import Path

from histolab.masks import TissueMask  # type: ignore[import-not-found]
from histolab.slide import Slide  # type: ignore[import-not-found]
from histolab.tiler import GridTiler  # type: ignore[import-not-found]


def main() -> None:
    slide, folder = sys.argv[1:]
    tiler = GridTiler(
        tile_size=(256, 256), level=0, check_tissue=True, tissue_percent=50, suffix=".png"
    )
    tiler.extract(Slide(slide, processed_path=folder), extraction_mask=TissueMask())
    print(len(list(Path(folder).glob("*.png"))))


if __name__ == "__main__":
    main()
