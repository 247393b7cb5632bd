"""Whether two pictures of a place show the same, and at which places a level shows most."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Place = tuple[float, float]  # x, y, level-0 px

PLAIN = 3.0  # SD of grey values below which a window shows nothing
ALIKE = 0.3  # least correlation of the same tissue in two levels, however they were shrunk
ALIKE_FINE = 0.2  # likewise, of their details
TIE = 0.05  # by how much it may correlate better beside its place, as along a straight edge
OTHER_COLOUR = 8.0  # grey values between the means of a window in two levels


class Texture(NamedTuple):
    """How much is to be seen in each block of a level."""

    values: NDArray[np.number]  # (rows, columns)
    block: tuple[float, float]  # width, height, level-0 px


class Agreement(NamedTuple):
    """In how many windows a level shows what a finer one shows.

    Attributes:
        places: Windows in which either shows something.
        alike: Those in which both show the same.
        blank: Those in which the level shows nothing.
        finer_blank: Those in which the finer level shows nothing.
        recoloured: Those alike in form, but not in colour.
    """

    places: int = 0
    alike: int = 0
    blank: int = 0
    finer_blank: int = 0
    recoloured: int = 0

    @property
    def agrees(self) -> bool:
        """Whether the levels show the same: in three of four windows at least."""
        return self.places > 0 and 4 * self.alike >= 3 * self.places

    def with_window(self, mine: Rgb, theirs: Rgb) -> "Agreement":
        """Counts one window more.

        Args:
            mine: Of the level.
            theirs: The same place of the finer level, in more px.
        """
        import cv2  # not every reader of slides needs it

        shrunk = cv2.resize(theirs, mine.shape[1::-1], interpolation=cv2.INTER_AREA)
        margin = len(mine) // 4
        inner = slice(margin, len(mine) - margin)
        mean = mine[inner, inner].mean(axis=(0, 1)) - shrunk[inner, inner].mean(axis=(0, 1))
        grey, other = (picture.mean(axis=2, dtype=np.float32) for picture in (mine, shrunk))
        plain = grey[inner, inner].std() < PLAIN, other[inner, inner].std() < PLAIN
        if all(plain):
            return self
        alike = not any(plain) and _correlates_here(grey[inner, inner], other)
        recoloured = alike and float(np.abs(mean).max()) > OTHER_COLOUR
        more = (1, alike, plain[0], plain[1], recoloured)
        return Agreement(*(a + int(b) for a, b in zip(self, more, strict=True)))


def texture(rgb: Rgb, downsample: float) -> Texture:
    """SD of the grey values in each of about 32 x 32 blocks of a level.

    Args:
        rgb: The whole level.
        downsample: Of it.
    """
    grey = rgb.mean(axis=2, dtype=np.float32)
    side = max(8, max(grey.shape) // 32)
    rows, columns = (max(length // side, 1) for length in grey.shape)
    part = grey[: rows * side, : columns * side]
    blocks = part.reshape(rows, part.shape[0] // rows, columns, part.shape[1] // columns)
    step = downsample * blocks.shape[3], downsample * blocks.shape[1]
    return Texture(blocks.std(axis=(1, 3)), step)


def busiest(found: Texture) -> list[Place]:
    """The middle of the block that shows most, of each quarter of a level."""
    places = []
    rows, columns = (np.array_split(np.arange(n), 2) for n in found.values.shape)
    for down in rows:
        for across in columns:
            quarter = found.values[np.ix_(down, across)]
            if quarter.size and quarter.max() > 0:
                row, column = np.unravel_index(int(quarter.argmax()), quarter.shape)
                x = (across[column] + 0.5) * found.block[0]
                places.append((float(x), float((down[row] + 0.5) * found.block[1])))
    return places


def _correlates_here(inner: NDArray[np.float32], around: NDArray[np.float32]) -> bool:
    """Whether a picture fits best into the middle of another one, by 2 px (small ones by 1).

    As a whole, and in what is finer than 8 px: two pieces of tissue may share an outline.
    """
    by = 2 if len(around) > 60 else 1
    pairs = (inner, around), (_fine(inner), _fine(around))
    return all(
        _best_in_the_middle(one, other, by, least)
        for (one, other), least in zip(pairs, (ALIKE, ALIKE_FINE), strict=True)
    )


def _best_in_the_middle(
    inner: NDArray[np.float32], around: NDArray[np.float32], by: int, least: float
) -> bool:
    import cv2

    found = np.nan_to_num(cv2.matchTemplate(around, inner, cv2.TM_CCOEFF_NORMED))
    y, x = (length // 2 for length in found.shape)
    here = float(found[y - by : y + by + 1, x - by : x + by + 1].max())
    return here >= least and here >= float(found.max()) - TIE


def _fine(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    import cv2

    return np.asarray(grey - cv2.blur(grey, (9, 9)), np.float32)
