"""Which images a cohort of ready-made tiles holds: a folder per class, or a CSV."""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

from histotile.cohort import TEST, Cohort, CohortSlide, is_file_name
from histotile.errors import HistotileError
from histotile.tiles.dealing import deal
from histotile.tiles.folders import SUFFIXES, TileImage, place, side, stamp, walk

REQUIRED = ("path", "label")
OPTIONAL = ("group", "site", "split")
_NAMED = 20


@dataclass(frozen=True)
class Listing:
    """The images of a cohort, sorted by group and file, and the cohort of their groups."""

    images: tuple[TileImage, ...]
    cohort: Cohort

    @cached_property
    def digests(self) -> dict[str, str]:
        """Group -> 12 hex digits that change when an image of it comes, goes or changes."""
        return {
            group: _digest([tuple(image) for image in images])
            for group, images in groupby(self.images, key=lambda image: image.group)
        }

    @property
    def digest(self) -> str:
        """12 hex digits that change when any image does."""
        return _digest(self.digests)


def holds_images(path: Path) -> bool:
    """Whether a cohort is one of ready-made tiles: a folder, or a CSV of path and label."""
    if path.is_dir():
        return True
    if not path.is_file():
        return False
    with path.open(newline="", encoding="utf-8-sig") as handle:
        columns = next(csv.reader(handle), [])
    return "slide_id" not in columns and set(REQUIRED) <= set(columns)


def list_images(path: Path, classes: Sequence[str]) -> Listing:
    """The labelled images of a cohort, in groups that stand where slides stand.

    In a folder, class/..., class/group/... and group/class/... are known, each also below folders
    named as splits (train, val, test). Where no group is known, tiles of neighbouring names are
    dealt to at most 50 groups (`deal`), and the cohort has no patients.

    Args:
        path: A folder, or a CSV with `path`, `label` and optionally `group` (the patient), `site`,
            `split` (`test`: fixed test set); relative paths count from the working directory.
        classes: Names that labels must be among.

    Raises:
        HistotileError: No image, images outside the classes, a class without images, groups for
            some images only, a group at two sites or on both sides of the test set, missing files.
    """
    found = _of_folder(path, classes) if path.is_dir() else _of_table(path, classes)
    _check(path, found, classes)
    has_patients = any(image.group for image in found)
    if not has_patients:
        groups = deal([(i.split or "", i.label, i.file) for i in found])
        found = [i._replace(group=group) for i, group in zip(found, groups, strict=True)]
    images = tuple(sorted(found, key=lambda image: (image.group, image.file)))
    groups_of = groupby(images, key=lambda image: image.group)
    slides = [_slide(path, group, list(members), classes) for group, members in groups_of]
    return Listing(images, Cohort(tuple(slides), has_patients))


def list_group(path: Path, classes: Sequence[str], group: str) -> list[TileImage]:
    """The images of one group, as `list_images` lists them, without a look at the other groups.

    Where groups are dealt, all images must be listed.
    """
    if path.is_dir():
        entries = list(walk(str(path), (), group, classes))
        found, _ = place(entries, classes)
    else:
        found = [_of_row(row, (0, 0)) for row in _rows(path) if row.get("group") == group]
    own = sorted(image for image in found if image.group == group)
    return own or [i for i in list_images(path, classes).images if i.group == group]


def _of_folder(path: Path, classes: Sequence[str]) -> list[TileImage]:
    found, strange = place(list(walk(str(path), ())), classes)
    if strange or not found:
        seen = ", ".join(f"{name} ({n})" for name, n in strange.most_common(_NAMED))
        raise HistotileError(
            path,
            f"images in folders that are no class: {seen}; classes are {list(classes)}"
            if strange
            else f"no image below it; known are {', '.join(SUFFIXES)}",
            "name the folders of classes in `classes`, or list the images in a CSV of path, label",
        )
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        unknown = [c for c in reader.fieldnames or () if c not in REQUIRED + OPTIONAL]
        if unknown:
            remedy = f"use {', '.join(REQUIRED)} and, optionally, {', '.join(OPTIONAL)}"
            raise HistotileError(path, f"unknown column(s) {', '.join(unknown)}", remedy)
        return [{k: (v or "").strip() for k, v in row.items() if k} for row in reader]


def _of_table(path: Path, classes: Sequence[str]) -> list[TileImage]:
    rows = _rows(path)
    problems = [f"row {n}: path is empty" for n, row in enumerate(rows, 2) if not row["path"]]
    counts = Counter(row["path"] for row in rows)
    problems += [f"{file!r} is listed {n} times" for file, n in counts.items() if file and n > 1]
    strange = Counter(row["label"] for row in rows if row["label"] not in classes)
    problems += [
        f"{n} images labelled {label!r}, which is none of classes {list(classes)}"
        for label, n in strange.items()
    ]
    stamps = {row["path"]: _stamp_of(row["path"]) for row in rows if row["path"]}
    missing = [file for file, stamp in stamps.items() if stamp is None]
    if missing:
        problems.append(f"{len(missing)} files do not exist: {_some(missing)}")
    if problems or not rows:
        remedy = f"mend these rows; relative paths count from {Path.cwd()}"
        fact = _some(problems, "; ") or "it lists no image"
        raise HistotileError(path, fact, remedy, problems)
    return [_of_row(row, stamps[row["path"]] or (0, 0)) for row in rows]


def _of_row(row: Mapping[str, str], stamp: tuple[int, int]) -> TileImage:
    site, split = row.get("site") or None, side(row.get("split"))
    return TileImage(row["path"], row["label"], row.get("group") or "", site, split, stamp)


def _check(path: Path, images: Sequence[TileImage], classes: Sequence[str]) -> None:
    counts = Counter(image.label for image in images)
    problems = [f"class {name!r} has no image" for name in classes if not counts[name]]
    bare = sum(not image.group for image in images)
    if 0 < bare < len(images):
        problems.append(f"{bare} of {len(images)} images have no group, the others have one")
    groups = {image.group for image in images if image.group}
    problems += [f"group {g!r} cannot name a file" for g in sorted(groups) if not is_file_name(g)]
    if problems:
        found = ", ".join(f"{label} ({n})" for label, n in sorted(counts.items()))
        fact = f"{_some(problems, '; ')}; found: {found}"
        raise HistotileError(path, fact, "mend `classes`, the folders, or the CSV")


def _slide(
    path: Path, group: str, images: Sequence[TileImage], classes: Sequence[str]
) -> CohortSlide:
    labels = tuple(name for name in classes if any(i.label == name for i in images))
    sites, splits = {i.site for i in images}, {i.split for i in images}
    if len(sites) > 1 or (TEST in splits and len(splits) > 1):
        what = "sites" if len(sites) > 1 else "splits"
        seen = ", ".join(sorted(str(v) for v in (sites if len(sites) > 1 else splits)))
        remedy = "give each group (patient) one site and one side of the test set"
        raise HistotileError(path, f"group {group!r} stands in several {what}: {seen}", remedy)
    return CohortSlide(
        slide_id=group,
        patient_id=group,
        path=Path(images[0].file),
        label=labels[0] if len(labels) == 1 else None,
        site=images[0].site,
        labels=labels,
        split=min((s for s in splits if s), default=None),
    )


def _digest(data: object) -> str:
    return hashlib.sha256(repr(data).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _stamp_of(file: str) -> tuple[int, int] | None:
    try:
        return stamp(Path(file).stat())
    except OSError:
        return None


def _some(words: Iterable[str], between: str = ", ") -> str:
    listed = list(words)
    more = f"{between}and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return between.join(listed[:_NAMED]) + more
