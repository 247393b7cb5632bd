"""Files among ready-made tiles that are no pictures histotile reads: counted, and named."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePath

from histotile.tiling.image_cohort.folders import SUFFIXES

_OF_SYSTEMS = {"thumbs.db", "desktop.ini"}  # written by file managers, missed by nobody


def count_others(folders: Iterable[str]) -> dict[str, int]:
    """Suffix -> how many files with it stand in these folders (not below them), unread.

    Hidden files and those of file managers do not count; ".tar" of "a.tar" is the suffix, "no
    suffix" of "README".
    """
    found = Counter[str]()
    for folder in set(folders):
        with os.scandir(folder) as entries:
            found.update(
                PurePath(entry.name).suffix.lower() or "no suffix"
                for entry in entries
                if entry.is_file() and _is_other(entry.name)
            )
    return dict(sorted(found.items()))


def count_others_below(folder: str) -> dict[str, int]:
    """The same of a folder and all below it."""
    return count_others(path for path, _, _ in os.walk(folder))


def say_others(counts: Mapping[str, int]) -> str:
    """A sentence about them; "" where there are none.

    >>> say_others({".svs": 2, ".txt": 1})
    '3 files are no pictures that can be read and are left out (.svs 2, .txt 1)'
    """
    total = sum(counts.values())
    if not total:
        return ""
    kinds = ", ".join(f"{suffix} {count}" for suffix, count in counts.items())
    what = "1 file is no picture" if total == 1 else f"{total} files are no pictures"
    verb = "is" if total == 1 else "are"
    return f"{what} that can be read and {verb} left out ({kinds})"


def _is_other(name: str) -> bool:
    lower = name.lower()
    return not (lower.startswith(".") or lower in _OF_SYSTEMS or lower.endswith(SUFFIXES))
