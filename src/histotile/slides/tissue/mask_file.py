"""Tissue masks as image files."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from histotile.errors import HistotileError
from histotile.slides.tissue.tissue import GLASS, TISSUE

MOST_PX = 1 << 27  # read, a mask takes a few bytes per px
CHUNK = "histotile"  # text chunk of our masks: JSON list of what was set aside


def read_levels(path: Path) -> NDArray[np.uint8]:
    """What each px of the mask is, (height, width), in the levels of `slides.tissue`.

    In a mask that histotile did not write, tissue is what is brighter than grey 127, and nothing
    is ink: its grey rims are smoothing.

    Raises:
        HistotileError: It is no picture, damaged, or larger than 134 megapixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # own limit below
            with Image.open(path) as image:
                if image.width * image.height <= MOST_PX:
                    grey = np.asarray(image.convert("L"))
                    is_ours = CHUNK in image.info  # known once the pixels are read
                    return grey if is_ours else np.where(grey > 127, TISSUE, GLASS).astype(np.uint8)
                size = f" ({image.width} x {image.height} px)"
    except (OSError, SyntaxError, ValueError) as error:  # of PIL, at damaged files
        fact = f"not a readable mask image ({error})"
        raise HistotileError(path, fact, "make it again with `histotile mask`") from error
    except Image.DecompressionBombError:
        size = ""
    raise HistotileError(path, f"too large for a mask{size}", "save it at a coarser scale")
