"""Store a slide's tissue tiles with TIAToolbox: `tiatoolbox_tiles.py SLIDE FOLDER png|jpg`.

Its mask, its sliding window, saved by Pillow. Prints how many.
"""

import sys
from pathlib import Path
from typing import Any

from PIL import Image
from tiatoolbox.tools.patchextraction import get_patch_extractor  # type: ignore[import-not-found]
from tiatoolbox.wsicore.wsireader import WSIReader  # type: ignore[import-not-found]


def main() -> None:
    slide, folder, suffix = sys.argv[1:]
    reader = WSIReader.open(slide)
    extractor = get_patch_extractor(
        "slidingwindow",
        input_img=reader,
        input_mask="otsu",
        patch_size=(256, 256),
        stride=(256, 256),
        resolution=0.5,
        units="mpp",
        min_mask_ratio=0.5,
    )
    options: dict[str, Any] = {"quality": 90} if suffix == "jpg" else {}
    count = 0
    for count, tile in enumerate(extractor, start=1):
        Image.fromarray(tile).save(Path(folder) / f"{count}.{suffix}", **options)
    print(count)


if __name__ == "__main__":
    main()
