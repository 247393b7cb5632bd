"""Labels of tasks without exclusive classes: outlines that may overlap, and shares of area."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histotile.config import Labels
from histotile.config.task import NONE_OF_THEM
from histotile.errors import HistotileError
from histotile.tasks.multilabel import Multilabel, split_labels
from histotile.tasks.regression import Regression
from histotile.tasks.task import UNKNOWN
from histotile.tiling.outline_names import Meaning, NoLabel
from histotile.tiling.overlaps import overlap_shares
from histotile.tiling.partition import divide
from histotile.tiling.truth import SlideTruth, TileLabels, all_alike, why_not_understood

if TYPE_CHECKING:
    from histotile.slides.annotations.read import Annotation

Shares = NDArray[np.float32]
Outlines = Sequence[tuple["Annotation", Meaning]]

MISSED = "no outline lies on a tile: are they of this slide, in level-0 px?"
BETWEEN = "between the limits of overlap"
BLANK = "touching an outline whose name is no class, or a region that is left out"
OUTSIDE = "outside all outlines"
UNDRAWN = "labelled with a number, but without outlines"


def label_by_areas(
    x: NDArray[np.int32], y: NDArray[np.int32], size: float, truth: SlideTruth, settings: Labels
) -> TileLabels:
    """Labels by the share of each tile in the outlines of each name, which may overlap.

    `multilabel`: a tile bears every label whose share reaches positive_overlap and lacks those
    whose share does not exceed negative_overlap; any share between leaves it without label, and so
    does bearing nothing where `outside` is null. `regression`: the share of the tile in outlines of
    its name, on the scale of its range. Tiles in outlines of other names have no label.

    Raises:
        HistotileError: The labels of the slide contradict its outlines.
    """
    task = truth.task
    bears_none = isinstance(task, Multilabel) and truth.label == NONE_OF_THEM
    if truth.annotations is None:
        is_known = bears_none or truth.label is None
        told = NONE_OF_THEM if bears_none else None
        return all_alike(len(x), told, None if is_known else "no annotation file")
    meanings = truth.meanings(settings)
    named = {meant for _, meant in meanings if isinstance(meant, str)}
    if isinstance(task, Multilabel):
        _check_conflict(truth, settings, named)
    unknown = why_not_understood(truth, [meant for _, meant in meanings])
    if unknown and not bears_none:
        return all_alike(len(x), None, unknown)
    if isinstance(task, Regression) and not named and task.labels([truth.label])[0] > task.low:
        return all_alike(len(x), None, UNDRAWN)
    shares = np.stack([_shares(meanings, name, (x, y, size)) for name in task.names], axis=1)
    if named and not shares.any() and len(x):
        return all_alike(len(x), None, MISSED)
    is_blank = _blank(truth, settings, meanings, (x, y, size)) > settings.negative_overlap
    if isinstance(task, Regression):
        areas = np.round(np.clip(shares[:, 0].astype(np.float64), 0, 1), 6)
        values = np.round(task.low + (task.high - task.low) * areas, 9)
        values[is_blank] = np.nan
        why = {BLANK: int(is_blank.sum())} if is_blank.any() else {}
        return TileLabels(task.texts(values), shares.max(axis=1), why)
    return _borne(task, shares, is_blank, settings, settings.outside is None and not bears_none)


def _borne(
    task: object, shares: Shares, is_blank: NDArray[np.bool_], settings: Labels, only_inside: bool
) -> TileLabels:
    """`only_inside`: tissue outside all outlines has no label."""
    assert isinstance(task, Multilabel), "the other task without classes"
    bears, lacks = shares >= settings.positive_overlap, shares <= settings.negative_overlap
    flags = np.where(bears, 1, 0).astype(np.int8)
    is_between = ~(bears | lacks).all(axis=1)
    is_outside = lacks.all(axis=1) & only_inside
    flags[is_between | is_outside | is_blank] = UNKNOWN
    why = np.select([is_blank, is_between], [BLANK, BETWEEN], OUTSIDE)
    labels = task.texts(flags)
    pairs = zip(labels, why.tolist(), strict=True)
    return TileLabels(
        labels,
        shares.max(axis=1, initial=0),
        dict(Counter(str(reason) for label, reason in pairs if label is None)),
    )


def _shares(
    meanings: Outlines, name: str, tiles: tuple[NDArray[np.int32], NDArray[np.int32], float]
) -> Shares:
    """Of each tile, in outlines of that name, whatever else lies there."""
    x, y, size = tiles
    areas = divide([(outline, meant) for outline, meant in meanings if meant == name])
    return (
        overlap_shares(areas[name], x, y, size) if name in areas else np.zeros(len(x), np.float32)
    )


def _blank(
    truth: SlideTruth,
    settings: Labels,
    meanings: Outlines,
    tiles: tuple[NDArray[np.int32], NDArray[np.int32], float],
) -> Shares:
    """Share of each tile in what says nothing: as for classes, a named outline inside it speaks.

    Names may overlap, so they count as one here and contest nothing.
    """
    one = truth.classes[0]
    named = [(a, one if isinstance(meant, str) else meant) for a, meant in meanings]
    areas = divide([*truth.measured(settings), *named])
    x, y, size = tiles
    blank = [area for meant, area in areas.items() if isinstance(meant, NoLabel)]
    none = np.zeros(len(x), np.float32)
    return sum((overlap_shares(area, x, y, size) for area in blank), none)


def _check_conflict(truth: SlideTruth, settings: Labels, outlined: set[str]) -> None:
    if truth.label is None or settings.outside is None:
        return
    told = set(split_labels(truth.label))
    more, fewer = sorted(outlined - told), sorted(told - outlined)
    if more or fewer:
        what = (
            f"has outlines of {', '.join(map(repr, more))}"
            if more
            else (f"has no outline of {', '.join(map(repr, fewer))}")
        )
        raise HistotileError(
            f"slide {truth.slide_id}",
            f"it is labelled {truth.label!r} but {what}",
            "mend its label in the cohort file, its annotation, or tile.labels.names",
        )
