"""Which images a cohort of ready-made tiles holds: a folder per class, or a CSV."""

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

from histotile.errors import HistotileError
from histotile.io.cohort import Cohort, CohortSlide, is_file_name
from histotile.io.names import choose, nearest
from histotile.io.text.csv_file import CsvFile, check_columns, read_csv_file, read_header, some
from histotile.io.vocabulary import COLUMNS, NO_SIDE, TEST, TILE_COLUMNS, TRAIN, side
from histotile.tasks.task import Task
from histotile.tiling.image_cohort.folders import (
    SUFFIXES,
    TileImage,
    place,
    split_folders,
    stamp,
    walk,
)
from histotile.tiling.image_cohort.pseudo_groups import deal

REQUIRED = ("path", "label")
OPTIONAL = ("group", "site", "split")
MOST_NAMED = 20  # labels in an error
PORTION = 256  # images of a job: a second or more of work, beside a second of start


@dataclass(frozen=True)
class Listing:
    """The images of a cohort, sorted by group and file, and the cohort of their groups.

    `remarks` say what was understood otherwise than people may expect.
    """

    images: tuple[TileImage, ...]
    cohort: Cohort
    remarks: tuple[str, ...] = ()

    @cached_property
    def digests(self) -> dict[str, str]:
        """Group -> 12 hex digits that change when an image of it comes, goes or changes."""
        return {
            group: _digest([tuple(image) for image in images])
            for group, images in groupby(self.images, key=lambda image: image.group)
        }

    @cached_property
    def portions(self) -> list[list[str]]:
        """The groups in portions of about `PORTION` images, each the work of one job.

        A group ends a portion by its own name and number of images alone: one more group changes
        one portion, or divides it in two, and no other.
        """
        found: list[list[str]] = [[]]
        for group, images in groupby(self.images, key=lambda image: image.group):
            found[-1].append(group)
            if int(_digest(group), 16) / 16**12 < len(list(images)) / PORTION:
                found.append([])
        return [groups for groups in found if groups]

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
    header = read_header(path, TILE_COLUMNS)
    slide_id = {"slide_id": COLUMNS["slide_id"][:2]}
    is_of_slides = any(choose(name, slide_id) for name in header)
    return not is_of_slides and set(REQUIRED) <= {choose(name, TILE_COLUMNS) for name in header}


def list_images(path: Path, task: Task) -> Listing:
    """The labelled images of a cohort, in groups that stand where slides stand.

    In a folder, class/..., class/group/... and group/class/... are known, each also below folders
    named as splits (train, val, test). Where no group is known, tiles of neighbouring names are
    dealt to at most 50 groups (`deal`), and the cohort has no patients.

    Args:
        path: A folder, or a CSV with `path`, `label` and optionally `group` (the patient), `site`,
            `split` (`test`: fixed test set); relative paths count from the working directory. How
            groups and sites are spelt is for `cohort_checks` to say.
        task: What labels must be of; those of other tasks than of classes stand in a CSV.

    Raises:
        HistotileError: No image, images outside the classes, a class without images, groups for
            some images only, a group at two sites or on both sides of the test set, missing files.
    """
    if path.is_dir() and not task.is_exclusive:
        fact, remedy = f"folders name one class each, not labels of {task}", "list them in a CSV"
        raise HistotileError(path, fact, f"{remedy} of path, label, group; see docs/tasks.md")
    found, remarks = _of_folder(path, task.names) if path.is_dir() else (_of_table(path, task), ())
    _check(path, found, task)
    has_patients = any(image.group for image in found)
    if not has_patients:
        groups = deal([(i.split or "", i.label, i.file) for i in found])
        found = [i._replace(group=group) for i, group in zip(found, groups, strict=True)]
    images = tuple(sorted(found, key=lambda image: (image.group, image.file)))
    groups_of = groupby(images, key=lambda image: image.group)
    slides = [_slide(path, group, list(members), task) for group, members in groups_of]
    return Listing(images, Cohort(tuple(slides), has_patients), remarks)


def list_groups(path: Path, task: Task, groups: Collection[str]) -> dict[str, list[TileImage]]:
    """The images of each of these groups, as `list_images` lists them, without a look at others.

    Where groups are dealt, all images must be listed.
    """
    wanted = set(groups)
    if path.is_dir():
        found, _ = place(list(walk(str(path), (), wanted, task.names)), task.names)
    else:
        found = [_of_row(row, (0, 0)) for row in _rows(path).rows if row.get("group") in wanted]
    if wanted - {image.group for image in found}:
        found = list(list_images(path, task).images)
    return {group: sorted(i for i in found if i.group == group) for group in groups}


def _of_folder(path: Path, classes: Sequence[str]) -> tuple[list[TileImage], tuple[str, ...]]:
    entries = list(walk(str(path), ()))
    found, strange = place(entries, classes)
    if strange or not found:
        seen = some((f"{name} ({n})" for name, n in strange.most_common()), ", ")
        parts = [part for name in strange for part in name.split("/")]
        meant = {part: nearest(part, classes) for part in parts}
        hints = [
            f"; did you mean class {word!r} by {part!r}?" for part, word in meant.items() if word
        ]
        raise HistotileError(
            path,
            f"images in folders that are no class: {seen}; classes are {list(classes)}"
            + "".join(hints[:3])
            if strange
            else f"no image below it; known are {', '.join(SUFFIXES)}",
            "name the folders of classes in `classes`, or list the images in a CSV of path, label",
        )
    roles = split_folders(entries, classes)
    remarks = [
        f"the images in folder {name!r} are trained on: parts for validation are drawn anew in "
        "every fold (split.val_fraction)"
        for name, role in sorted(roles.items())
        if role == "val"
    ]
    return found, tuple(remarks)


def _rows(path: Path) -> CsvFile:
    found = read_csv_file(path, TILE_COLUMNS)
    check_columns(found, REQUIRED, OPTIONAL, TILE_COLUMNS)
    for row in found.rows:
        row["path"] = os.path.expanduser(row["path"])  # noqa: PTH111 - without a home, as it is
    return found


def _of_table(path: Path, task: Task) -> list[TileImage]:
    found = _rows(path)
    rows = found.rows
    problems = [f"row {n}: path is empty" for n, row in found if not row["path"]]
    problems += [
        f"row {n}: split {row['split']!r} is no side: {NO_SIDE}"
        for n, row in found
        if side(row.get("split", "")) is None
    ]
    counts = Counter(row["path"] for row in rows)
    problems += [f"{file!r} is listed {n} times" for file, n in counts.items() if file and n > 1]
    known = dict.fromkeys(row["label"] for row in rows)
    foreign = {*task.foreign(known), *([""] if "" in known else [])}
    strange = Counter(row["label"] for row in rows if row["label"] in foreign)
    wanted = f"classes {list(task.names)}" if task.is_exclusive else f"the task {task}"
    problems += [
        f"{n} images labelled {label!r}, which is none of {wanted}"
        + (f": did you mean {meant!r}?" if (meant := nearest(label, task.names)) else "")
        for label, n in strange.items()
    ]
    stamps = {row["path"]: _stamp_of(row["path"]) for row in rows if row["path"]}
    missing = [file for file, stamp in stamps.items() if stamp is None]
    if missing:
        problems.append(f"{len(missing)} files do not exist: {some(missing, ', ')}")
    if problems or not rows:
        remedy = f"mend these rows; relative paths count from {Path.cwd()}"
        raise HistotileError(path, some(problems) or "it lists no image", remedy, problems)
    return [_of_row(row, stamps[row["path"]] or (0, 0)) for row in rows]


def _of_row(row: Mapping[str, str], stamp: tuple[int, int]) -> TileImage:
    split = TEST if side(row.get("split", "")) == TEST else None
    site = row.get("site") or None
    return TileImage(row["path"], row["label"], row.get("group") or "", site, split, stamp)


def _check(path: Path, images: Sequence[TileImage], task: Task) -> None:
    counts = Counter(image.label for image in images)
    lacking = task.lacking(task.labels(image.label for image in images))
    what = "class {!r} has no image" if task.is_exclusive else "no image is labelled {}"
    problems = [what.format(name) for name in lacking]
    bare = sum(not image.group for image in images)
    if 0 < bare < len(images):
        problems.append(f"{bare} of {len(images)} images have no group, the others have one")
    groups = {image.group for image in images if image.group}
    problems += [f"group {g!r} cannot name a file" for g in sorted(groups) if not is_file_name(g)]
    if problems:
        found = ", ".join(f"{label} ({n})" for label, n in sorted(counts.items())[:MOST_NAMED])
        fact = f"{some(problems)}; found: {found}"
        raise HistotileError(path, fact, "mend `classes`, the folders, or the CSV")


def _slide(path: Path, group: str, images: Sequence[TileImage], task: Task) -> CohortSlide:
    there = {i.label for i in images}
    ordered = task.names if task.is_exclusive else sorted(there)
    labels = tuple(name for name in ordered if name in there)
    sites, splits = {i.site for i in images}, {i.split for i in images}
    if len(sites) > 1 or len(splits) > 1:
        what = "sites" if len(sites) > 1 else "splits"
        seen = ", ".join(sorted(str(v) for v in (sites if len(sites) > 1 else (TEST, TRAIN))))
        remedy = "give each group (patient) one site and one side of the test set"
        raise HistotileError(path, f"group {group!r} stands in several {what}: {seen}", remedy)
    return CohortSlide(
        slide_id=group,
        patient_id=group,
        path=Path(images[0].file),
        label=labels[0] if len(labels) == 1 else None,
        site=images[0].site,
        labels=labels,
        split=images[0].split,
    )


def _digest(data: object) -> str:
    return hashlib.sha256(repr(data).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _stamp_of(file: str) -> tuple[int, int] | None:
    try:
        return stamp(Path(file).stat())
    except OSError:
        return None
