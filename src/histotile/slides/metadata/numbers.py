"""Numbers as programs of many countries write them into XML."""

from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from histotile.errors import HistotileError
from histotile.slides.annotations.shapes import FURTHEST_PX


def read_number(
    path: Path, place: str, element: Element, attribute: str, most: float = FURTHEST_PX
) -> float:
    """A number in an attribute of an element or, failing that, in a child of that name.

    A decimal comma is taken: programs that write XML put no marks between thousands.

    Args:
        path: The file, for errors.
        place: What of the file is read, for errors.
        element: The element.
        attribute: Name of the attribute or child.
        most: Numbers beyond it, either way, are none.

    Raises:
        HistotileError: There is no number, or none that can be meant.
    """
    text = element.get(attribute, element.findtext(attribute))
    written = (text or "").strip()
    if written.count(",") == 1 and "." not in written:
        written = written.replace(",", ".")
    try:
        value = float(written if "_" not in written else "")
    except ValueError:
        value = np.nan
    if not abs(value) < most:
        fact = f"{place}: {attribute}={text!r} is no number"
        raise HistotileError(path, fact, "export the annotations again")
    return value
