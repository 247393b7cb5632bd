"""Ready-made tiles in folders: which folder names a class, a group, a split."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from histotile.cohort import TEST

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".jp2", ".j2k", ".gif")
SPLITS = ("train", "training", "val", "valid", "validation", "test", "testing")
Entry = tuple[tuple[str, ...], "os.DirEntry[str]"]  # names of folders, file


class TileImage(NamedTuple):
    """One ready-made tile: its file, class, and what is known of where it comes from.

    `group` is empty where unknown; `stamp` changes with the file (its size and time).
    """

    file: str
    label: str
    group: str
    site: str | None
    split: str | None
    stamp: tuple[int, int]


def place(entries: Sequence[Entry], classes: Sequence[str]) -> tuple[list[TileImage], Counter[str]]:
    """The images whose folders name a class, and how many are in other folders."""
    tops = {parts[0] for parts, _ in entries if parts}
    has_splits = bool(tops) and {top.casefold() for top in tops} <= set(SPLITS) - set(classes)
    found, strange = [], Counter[str]()
    for parts, entry in entries:
        split, rest = (parts[0], parts[1:]) if has_splits else (None, parts)
        if rest and rest[0] in classes:
            label, group = rest[0], rest[1] if len(rest) > 1 else ""
        elif len(rest) > 1 and rest[1] in classes:
            group, label = rest[:2]
        else:
            strange["/".join(rest[:2]) or "(the folder itself)"] += 1
            continue
        found.append(TileImage(entry.path, label, group, None, side(split), stamp(entry.stat())))
    return found, strange


def walk(
    folder: str, parts: tuple[str, ...], group: str = "", classes: Sequence[str] = ()
) -> Iterator[Entry]:
    """The images below a folder with the names of the folders they are in; hidden ones left out.

    With a group, folders of other groups are passed by: those neither in its folder nor named as
    it, a class or a split.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "__MACOSX")):
                continue
            if entry.is_dir() and not _leads_back(entry, folder):
                below = (*parts, entry.name)
                is_above = entry.name in classes or entry.name.casefold() in SPLITS
                if not group or group in below or is_above:
                    yield from walk(entry.path, below, group, classes)
            elif entry.name.lower().endswith(SUFFIXES) and not entry.is_dir():
                yield parts, entry


def _leads_back(entry: "os.DirEntry[str]", folder: str) -> bool:
    """Whether a folder is a link to one that the walk is in, and would never leave."""
    if not entry.is_symlink():
        return False
    target, here = Path(entry.path).resolve(), Path.cwd() / folder
    return any(above.resolve() == target for above in (here, *here.parents))


def side(name: str | None) -> str | None:
    """The side a source has put an image on; all names of the test set become one."""
    name = (name or "").casefold()
    return TEST if name.startswith(TEST) else name or None


def stamp(facts: os.stat_result) -> tuple[int, int]:
    """Size and time of a file: what changes when it does."""
    return facts.st_size, facts.st_mtime_ns
