"""Store a slide's tissue tiles with TIAToolbox as JPEG: `tiatoolbox_tiles.py SLIDE FOLDER`.

Its mask, its sliding window, saved by Pillow. Prints how many.
"""

import sys
from pathlib import Path

from PIL import Image
from tiatoolbox.tools.patchextraction import get_patch_extractor  # type: ignore[import-not-found]
from tiatoolbox.wsicore.wsireader import WSIReader  # type: ignore[import-not-found]


def main() -> None:
    slide, folder = sys.argv[1:]
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
    count = 0
    for count, tile in enumerate(extractor, start=1):
        Image.fromarray(tile).save(Path(folder) / f"{count}.jpg", quality=90)
    print(count)


if __name__ == "__main__":
    main()
