"""The tile table of a group of ready-made tiles, and what is wrong with the images of a cohort."""

from __future__ import annotations

import logging
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.config import Tile
from histotile.data.images import checksum, decode, fit, read_bytes
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.io.digests import digest
from histotile.io.tile_spec import IMAGES
from histotile.slides.slide import UnreadableTile
from histotile.slides.triage import LEDGER
from histotile.tasks.registry import tile_facts
from histotile.tasks.task import Task, counts
from histotile.tiling.image_cohort.folders import TileImage
from histotile.tiling.image_cohort.other_files import count_others, say_others
from histotile.tiling.ledger import list_tiles, why_unused
from histotile.tiling.measures import UNREADABLE, Readers, mark_tiles, measure_tiles
from histotile.tiling.tile_table import make_columns

_NAMED = 10
Copy = tuple[str, str, str]  # group, label, file


def tabulate_images(
    images: Sequence[TileImage],
    group: str,
    task: Task,
    settings: Tile,
    readers: Readers,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Columns of `tables.TILES` and the footer for the images of one group, as for a slide's tiles.

    Each image is read once: brought to `tile_px`, measured, marked within its group. x and y are 0,
    tissue and outlines unknown. `tile.mpp` is taken for the scale of the images: files do not say.
    Images that cannot be read stay in the table, excluded, and are logged with their names.

    Args:
        images: The images of the group, from `list_groups`.
        group: Its name.
        task: What is learnt.
        settings: The tile section of the config.
        readers: What reads the images.
    """
    files = [image.file for image in images]
    labels = task.texts(task.labels(image.label for image in images))
    sums: list[str | None] = [None] * len(files)
    sizes: dict[int, tuple[int, int]] = {}

    def read(tile: int) -> NDArray[np.uint8]:
        path = Path(files[tile])
        try:
            content = read_bytes(path)
            sums[tile] = checksum(content)
            rgb = decode(path, content)
        except UnreadableTile as error:
            logging.getLogger(__name__).warning("left out: %s", error)
            raise
        sizes[tile] = (rgb.shape[1], rgb.shape[0])
        return fit(rgb, settings.tile_px)

    measures = measure_tiles(read, len(files), readers, ink=True)
    measures[:, 1] = _beyond_usual(measures[:, 1])
    marks, excluded = mark_tiles(measures, settings.quality, of_slide=False)
    none, unknown = np.zeros(len(files), np.int32), np.full(len(files), np.nan, np.float32)
    columns = make_columns(none, none, unknown, labels, unknown, measures) | marks
    columns |= {"excluded": excluded, "file": files, "checksum": sums}
    counts = _counts(labels, excluded, list(sizes.values()), task, settings.tile_px)
    aside = list_tiles(counts, None, {})
    footer = _facts(group, files, task, settings) | {"counts": counts}
    footer |= {"reason": why_unused(counts, aside), "ledger": [e.to_json() for e in aside]}
    footer["other_files"] = count_others(str(Path(file).parent) for file in files)
    return columns, footer


def _beyond_usual(inked: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shares of ink beyond the median of the group: what most of its tiles show is its stain."""
    known = inked[np.isfinite(inked)]
    return np.maximum(inked - np.median(known), 0) if len(known) else inked


def _counts(
    labels: Sequence[str | None],
    excluded: Sequence[str | None],
    sizes: Sequence[tuple[int, int]],
    task: Task,
    tile_px: int,
) -> dict[str, Any]:
    by_label = counts(task, task.labels(labels))
    return {
        "grid": len(labels),
        "no_tissue": 0,
        "tiles": len(labels),
        "excluded": dict(sorted(Counter(e for e in excluded if e is not None).items())),
        "labels": {"none": 0, **by_label},  # a class may be called so
        "resized": sum(min(size) != tile_px for size in sizes),
        "cropped": sum(width != height for width, height in sizes),
    }


def _facts(group: str, files: Sequence[str], task: Task, settings: Tile) -> dict[str, Any]:
    return {
        "source": IMAGES,
        "slide_id": group,
        "path": os.path.commonpath([Path(file).parent for file in files]),
        "mpp": None,
        "mpp_source": None,
        "tile_mpp": settings.mpp,
        "tile_px": settings.tile_px,
        "stride_px": settings.tile_px,
        "size_level0_px": None,
        "stride_level0_px": None,
        **tile_facts(task),
        "labels_source": "image",
        "slide_label": None,
        "settings": settings.model_dump(mode="json"),
        "verdict": "ok",
        "code": digest(__name__),
    }


def triage_images(tile_tables: Mapping[str, Path]) -> list[dict[str, object]]:
    """One ledger row per group: quarantined if no image of it can be read; remarks as its reason.

    Remarks are images that cannot be read, and image files that another group holds too or that
    are listed twice.

    Args:
        tile_tables: Group -> tile table.

    Raises:
        HistotileError: No image of a class can be used, or one image file bears two labels.
    """
    copies: dict[str, list[Copy]] = defaultdict(list)
    damaged: dict[str, list[str]] = {}
    others: dict[str, list[str]] = {}
    counts: dict[str, Counter[str | None]] = defaultdict(Counter)
    kept = Counter[str]()
    for group, path in tile_tables.items():
        table = tables.read_table(path, ["file", "label", "checksum", "excluded"]).to_pylist()
        footer = tables.read_footer(path)
        unread = say_others(footer.get("other_files", {}))
        others[group] = [unread] if unread else []
        damaged[group] = [row["file"] for row in table if row["excluded"] == UNREADABLE]
        kept[group] = len(table) - len(damaged[group])
        if kept[group] and (unused := footer.get("reason")):
            others[group].append(unused)
        for row in table:
            counts[row["label"]][row["excluded"]] += 1
            if row["excluded"] != UNREADABLE:
                copies[row["checksum"]].append((group, row["label"], row["file"]))
    several = [found for found in copies.values() if len(found) > 1]
    classes = tables.read_footer(next(iter(tile_tables.values())))["classes"]
    _check(counts, several, classes)
    twins = _twins(several)
    return [
        _row(
            group,
            path,
            kept[group],
            [*_unreadable(damaged[group]), *others[group], *twins.get(group, ())],
        )
        for group, path in tile_tables.items()
    ]


def _check(
    counts: Mapping[str, Mapping[str | None, int]],
    several: Sequence[Sequence[Copy]],
    classes: Sequence[str],
) -> None:
    empty = [
        f"no image of class {name!r} can be used ({', '.join(f'{w} {n}' for w, n in found)})"
        for name in classes
        if None not in counts.get(name, {}) and (found := counts.get(name, {}).items())
    ]
    if empty:
        remedy = "see the logs of tile_images for unreadable files, tile.quality.exclude for marks"
        raise HistotileError("cohort", "; ".join(empty), remedy)
    torn = [found for found in several if len({label for _, label, _ in found}) > 1]
    if torn:
        named = "".join(
            "\n  " + " = ".join(f"{file} ({label})" for _, label, file in found)
            for found in torn[:_NAMED]
        )
        raise HistotileError(
            "cohort",
            f"{len(torn)} images stand under several labels (equal files), such as:{named}",
            "keep one of each: an image cannot be of two classes",
        )


def _twins(several: Sequence[Sequence[Copy]]) -> dict[str, list[str]]:
    """Group -> sentences on images that are the same files as others."""
    shared: dict[str, Counter[str]] = defaultdict(Counter)
    for found in several:
        groups = [group for group, _, _ in found]
        for group in set(groups):
            shared[group].update(set(groups) - {group} or {group})
    return {
        group: [
            f"{_images(n)} listed more than once"
            if other == group
            else f"{_images(n)} in group {other} too, as equal files"
            for other, n in sorted(counts.items())
        ][:_NAMED]
        for group, counts in shared.items()
    }


def _unreadable(files: Sequence[str]) -> list[str]:
    return [f"{_images(len(files))} unreadable: {_some(files)}"] if files else []


def _images(count: int) -> str:
    return "1 image is" if count == 1 else f"{count} images are"


def _row(group: str, path: Path, kept: int, remarks: Sequence[str]) -> dict[str, object]:
    ledger: dict[str, object] = dict.fromkeys(LEDGER)
    ledger |= {"slide_id": group, "verdict": "ok" if kept else "quarantined", "path": str(path)}
    problem = None if kept else UNREADABLE
    return ledger | {"problem": problem, "reason": "; ".join(remarks) or None}


def _some(files: Sequence[str]) -> str:
    more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
    return ", ".join(files[:_NAMED]) + more
