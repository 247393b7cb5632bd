"""Ready-made tiles in folders: which folder names a class, a group, a split."""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from histotile.io.names import choose
from histotile.io.vocabulary import ROLES, TEST

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".jp2", ".j2k", ".gif")
Entry = tuple[tuple[str, ...], "os.DirEntry[str]"]  # names of folders, file


class TileImage(NamedTuple):
    """One ready-made tile: its file, class, and what is known of where it comes from.

    `group` is empty where unknown; `split` is `test` or None; `stamp` changes with the file (its
    size and time).
    """

    file: str
    label: str
    group: str
    site: str | None
    split: str | None
    stamp: tuple[int, int]


def place(entries: Sequence[Entry], classes: Sequence[str]) -> tuple[list[TileImage], Counter[str]]:
    """The images whose folders name a class, and how many are in other folders."""
    roles = split_folders(entries, classes)
    found, strange = [], Counter[str]()
    for parts, entry in entries:
        rest = parts[1:] if roles else parts
        split = TEST if parts and roles.get(parts[0]) == TEST else None
        if rest and rest[0] in classes:
            label, group = rest[0], rest[1] if len(rest) > 1 else ""
        elif len(rest) > 1 and rest[1] in classes:
            group, label = rest[:2]
        else:
            strange["/".join(rest[:2]) or "(the folder itself)"] += 1
            continue
        found.append(TileImage(entry.path, label, group, None, split, stamp(entry.stat())))
    return found, strange


def split_folders(entries: Sequence[Entry], classes: Sequence[str]) -> dict[str, str]:
    """The uppermost folders and their roles (train, val, test), if all are named as such."""
    roles = {parts[0]: role_of(parts[0]) for parts, _ in entries if parts}
    named = {folder: role for folder, role in roles.items() if role and folder not in classes}
    return named if len(named) == len(roles) else {}


def walk(
    folder: str, parts: tuple[str, ...], groups: Collection[str] = (), classes: Sequence[str] = ()
) -> Iterator[Entry]:
    """The images below a folder with the names of the folders they are in; hidden ones left out.

    With groups, folders of others are passed by: those neither in a folder of theirs nor named as
    one of them, a class or a split.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "__MACOSX")):
                continue
            if entry.is_dir() and not _leads_back(entry, folder):
                below = (*parts, entry.name)
                is_above = entry.name in classes or role_of(entry.name) is not None
                if not groups or is_above or any(name in groups for name in below):
                    yield from walk(entry.path, below, groups, classes)
            elif entry.name.lower().endswith(SUFFIXES) and not entry.is_dir():
                yield parts, entry


@cache
def role_of(name: str) -> str | None:
    """The role (train, val, test) that a folder is named as; None if it is none."""
    return choose(name, ROLES)


def _leads_back(entry: "os.DirEntry[str]", folder: str) -> bool:
    """Whether a folder is a link to one that the walk is in, and would never leave."""
    if not entry.is_symlink():
        return False
    target, here = Path(entry.path).resolve(), Path.cwd() / folder
    return any(above.resolve() == target for above in (here, *here.parents))


def stamp(facts: os.stat_result) -> tuple[int, int]:
    """Size and time of a file: what changes when it does."""
    return facts.st_size, facts.st_mtime_ns
