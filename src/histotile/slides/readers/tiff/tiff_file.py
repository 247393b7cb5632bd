"""A TIFF file's structure, whatever may be wrong with it."""

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tifffile


class OddTiff(Exception):  # noqa: N818 - a finding, not a failure: OpenSlide may still read the file
    """The structure of a TIFF file is not understood."""


@contextmanager
def open_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """The TIFF file, open as long as the context; tifffile's own log stays out of the terminal.

    Raises:
        OddTiff: On opening, or for what tifffile raises within the context at odd tags.
    """
    logger = logging.getLogger("tifffile")
    before = logger.disabled
    logger.disabled = True
    try:
        with tifffile.TiffFile(path) as tiff:
            yield tiff
    except ODD as error:
        raise OddTiff(str(error)) from error
    finally:
        logger.disabled = before


ODD = (
    tifffile.TiffFileError,
    ArithmeticError,  # tiles 0 px wide
    AttributeError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
    struct.error,
)
