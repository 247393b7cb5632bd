"""Groups for tiles of which nobody knows whose they are."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

_MOST_GROUPS, _FEWEST_GROUPS, _TILES_EACH = 50, 10, 20


def deal(tiles: Sequence[tuple[str, str, str]]) -> list[str]:
    """A group for each tile, of at most 50 per split, each with its share of every class.

    Tiles of neighbouring names (numbers in them compared as numbers) go into one group: names often
    follow the slide or patient, so that tiles alike stay together as far as names can tell.

    Args:
        tiles: Split ("" without), label and file of each tile.
    """
    sizes = Counter(split for split, _, _ in tiles)
    cells: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, (split, label, _) in enumerate(tiles):
        cells[split, label].append(number)
    groups = [""] * len(tiles)
    for (split, _), numbers in cells.items():
        count = min(_MOST_GROUPS, max(_FEWEST_GROUPS, sizes[split] // _TILES_EACH))
        numbers.sort(key=lambda number: _natural(tiles[number][2]))
        for place, number in enumerate(numbers):
            groups[number] = f"{split or 'tiles'}-{place * count // len(numbers) + 1:02d}"
    return groups


def _natural(name: str) -> tuple[list[str | int], str]:
    parts = re.split(r"(\d+)", name)
    return [int(p) if i % 2 else p for i, p in enumerate(parts)], name
