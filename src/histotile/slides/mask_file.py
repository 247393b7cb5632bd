"""Tissue masks as image files."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from histotile.errors import HistotileError

MOST_PX = 1 << 27  # read, a mask takes a few bytes per px


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Where the image is brighter than grey 127, (height, width).

    Raises:
        HistotileError: It is no picture, damaged, or larger than 134 megapixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # own limit below
            with Image.open(path) as image:
                if image.width * image.height <= MOST_PX:
                    return np.asarray(image.convert("L")) > 127
                size = f" ({image.width} x {image.height} px)"
    except (OSError, SyntaxError, ValueError) as error:  # of PIL, at damaged files
        fact = f"not a readable mask image ({error})"
        raise HistotileError(path, fact, "make it again with `histotile mask`") from error
    except Image.DecompressionBombError:
        size = ""
    raise HistotileError(path, f"too large for a mask{size}", "save it at a coarser scale")
