"""Tiles that stand, nearly the same, under two patients: the leak that no split can see.

Two ways lead to pairs that may be copies, and one test decides. Difference hashes in all eight
orientations find copies on the same grid among any number of tiles: the same scan under two names,
saved anew, restained, turned by right angles or mirrored. `lookalikes` finds copies turned by any
angle, cropped or shifted, in a sample of the tiles; where it finds any, in all of them. A pair
counts if the structure of the two thumbnails, in register, correlates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from histotile.strategy.leakage.copied_tiles import (
    CohortTiles,
    PicturedSlide,
    SlidePair,
    list_pairs,
)
from histotile.strategy.leakage.near_hashes import Rows

SAMPLE = 2000  # tiles among which turned and cropped copies are sought at first
MOST_TILES = 10_000  # and at most, once there are some: minutes


@dataclass(frozen=True)
class Duplicates:
    """How many tiles of a cohort have a near duplicate under another patient, and where.

    Args:
        tiles: All tiles.
        searched: Those among which turned, cropped and shifted copies were sought.
        share: Of tiles with a near duplicate, 0-1: of all, or of those searched if that is more.
        pairs: Slides that share tiles, most first.
        sources: Slide -> (N,) number of the source of each tile, the same for all its copies; -1
            where a tile has no near duplicate.
    """

    tiles: int
    searched: int
    share: float
    pairs: tuple[SlidePair, ...]
    sources: dict[str, Rows]

    @property
    def duplicated(self) -> int:
        """Tiles with a near duplicate."""
        return sum(int((numbers >= 0).sum()) for numbers in self.sources.values())

    @property
    def origins(self) -> int:
        """How many sources they go back to."""
        return len({int(n) for numbers in self.sources.values() for n in numbers[numbers >= 0]})


def find_duplicates(slides: Sequence[PicturedSlide], least: float, seed: int) -> Duplicates:
    """The near duplicates between patients.

    Those on the same grid are found among all tiles, a million in a minute; others as said above.
    Memory holds a hash per tile, and the thumbnails of a few slides.

    Args:
        slides: The cohort.
        least: Correlation in register from which two tiles are copies.
        seed: Of samples.
    """
    tiles = CohortTiles(slides)
    links = list(tiles.on_one_grid(least))
    gridded = len({row for link in links for row in link})
    order = np.random.default_rng(seed).permutation(tiles.unlike(links))
    shown = np.sort(order[:SAMPLE])
    found = list(tiles.in_any_pose(shown, least, seed))
    if found and len(order) > SAMPLE:
        shown = np.sort(order[:MOST_TILES])
        found = list(tiles.in_any_pose(shown, least, seed))
    posed = len({row for link in found for row in link})
    share = max(gridded / max(1, len(tiles.owner)), posed / max(1, len(shown)))
    pairs = list_pairs([*links, *found])
    whole = len(shown) == len(order)
    return Duplicates(
        len(tiles.owner),
        len(tiles.owner) if whole else len(shown),
        share,
        tiles.slide_pairs(pairs),
        tiles.sources(pairs),
    )
