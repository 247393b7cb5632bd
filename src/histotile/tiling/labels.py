"""Which label a tile takes: from the outlines of an annotation, or from its slide."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from histotile.config import Labels
from histotile.errors import HistotileError
from histotile.tiling.area_labels import MISSED, label_by_areas
from histotile.tiling.outline_names import Meaning, NoLabel
from histotile.tiling.overlaps import overlap_shares
from histotile.tiling.partition import Areas, divide
from histotile.tiling.truth import SlideTruth, TileLabels, all_alike, why_not_understood

_BETWEEN = "between the limits of overlap"
_BLANK: dict[Meaning, str] = {
    NoLabel.UNLISTED: "touching an outline whose name is no class",
    NoLabel.IGNORED: "touching a region that is left out",
    NoLabel.MEASURED: "touching what a program measured as a class, but nobody outlined",
}


def label_tiles(
    x: NDArray[np.int32], y: NDArray[np.int32], size: float, truth: SlideTruth, settings: Labels
) -> TileLabels:
    """The label of every tile, and its overlap with outlines.

    Source `slide`: every tile takes the slide's label. Source `annotation`: which outline counts
    where, `partition.divide` says. A tile takes the class of its largest overlap if that reaches
    positive_overlap, and `outside` if no overlap exceeds negative_overlap. A tile of which more
    than that lies in a region that is left out, in an outline whose name is no class, or in
    objects that a program measured as a class but nobody outlined, has no label. Where no outline
    can be understood - no annotation file, one that holds other things alone, or names alone that
    are no class - the rest takes `outside` if the slide does, else no label. Where none of the
    outlines of classes lies on a tile, no tile has a label: they are of another slide or scale.

    Args:
        x: Left edges, level-0 px.
        y: Top edges, level-0 px.
        size: Exact side of a tile, level-0 px.
        truth: Label and outlines of the slide.
        settings: Source, names and overlap limits.

    Raises:
        HistotileError: The slide's label is no class, or contradicts its outlines; names that look
            the same stand for different classes.
    """
    _check_label(truth)
    task = truth.task
    if not task.is_exclusive and truth.label is not None:
        truth = replace(truth, label=task.texts(task.labels([truth.label]))[0])
    if settings.source == "slide":
        return all_alike(len(x), truth.label)
    if not task.is_exclusive:
        return label_by_areas(x, y, size, truth, settings)
    is_outside = settings.outside is not None and truth.label == settings.outside
    if truth.annotations is None:
        if is_outside or truth.label is None:
            return all_alike(len(x), truth.label)
        return all_alike(len(x), None, "no annotation file")
    meanings = truth.meanings(settings)
    areas = divide([*truth.measured(settings), *meanings])
    _check_conflict(truth, settings, {name for name in areas if isinstance(name, str)})
    unknown = why_not_understood(truth, [meant for _, meant in meanings])
    if unknown and not is_outside:
        return all_alike(len(x), None, unknown)
    found = _from_areas(x, y, size, areas, truth, settings)
    if is_outside or not len(x) or found.overlap.any():
        return found
    named = {name: area for name, area in areas.items() if isinstance(name, str)}
    shown = named.pop(settings.outside, None) if settings.outside else None
    if not named or (shown is not None and overlap_shares(shown, x, y, size).any()):
        return found
    return replace(all_alike(len(x), None, MISSED), overlap=found.overlap)


def _from_areas(
    x: NDArray[np.int32],
    y: NDArray[np.int32],
    size: float,
    areas: Areas,
    truth: SlideTruth,
    settings: Labels,
) -> TileLabels:
    def shares(meant: Meaning) -> NDArray[np.float32]:
        none = np.zeros(len(x), np.float32)
        return overlap_shares(areas[meant], x, y, size) if meant in areas else none

    counted = [name for name in truth.classes if name in areas and name != settings.outside]
    overlaps = np.stack([*map(shares, counted), shares(NoLabel.CONTESTED)])
    blanks = np.stack([shares(meant) for meant in _BLANK])
    largest, winner = overlaps.max(axis=0), overlaps.argmax(axis=0)
    is_outside = largest <= settings.negative_overlap
    is_torn = (winner == len(counted)) | ((overlaps == largest).sum(axis=0) > 1)
    is_touched = blanks.sum(axis=0) > settings.negative_overlap
    labels = np.array([*counted, None], object)[np.where(is_torn, len(counted), winner)]
    labels[largest < settings.positive_overlap] = None
    labels[is_outside] = settings.outside
    labels[is_touched] = None
    why = np.select(
        [is_touched, is_outside, is_torn],
        [
            np.array(list(_BLANK.values()))[blanks.argmax(axis=0)],
            "outside all outlines",
            NoLabel.CONTESTED.value,
        ],
        _BETWEEN,
    )
    pairs = zip(labels, why.tolist(), strict=True)
    why_none = Counter(str(reason) for label, reason in pairs if label is None)
    contested = areas[NoLabel.CONTESTED].area if NoLabel.CONTESTED in areas else 0.0
    overlap = overlaps[:-1].max(axis=0, initial=0)
    return TileLabels(labels.tolist(), overlap, dict(why_none), contested)


def _check_label(truth: SlideTruth) -> None:
    if truth.label is None:
        return
    if not truth.task.is_exclusive and truth.task.foreign([truth.label]):
        fact = f"its label {truth.label!r} is none of the task {truth.task}"
        remedy = "mend it in the cohort file, or `task` and `classes`; see docs/tasks.md"
        raise HistotileError(f"slide {truth.slide_id}", fact, remedy)
    if truth.task.is_exclusive and truth.label not in truth.classes:
        raise HistotileError(
            f"slide {truth.slide_id}",
            f"its label {truth.label!r} is not among classes {list(truth.classes)}",
            "mend the label in the cohort file, or add it to classes",
        )


def _check_conflict(truth: SlideTruth, settings: Labels, outlined: set[str]) -> None:
    if truth.label is None or settings.outside is None:
        return
    others = sorted(outlined - {settings.outside})
    if truth.label == settings.outside and others:
        raise HistotileError(
            f"slide {truth.slide_id}",
            f"it is labelled {truth.label!r} but has outlines of {', '.join(map(repr, others))}",
            "mend its label in the cohort file, or its annotation",
        )
    if truth.label != settings.outside and truth.label not in outlined:
        names = sorted({a.name for a in truth.annotations or ()})
        held = "".join(f", {n} {kind}" for kind, n in truth.passed_over.items())
        held = f"{names or 'none'}{held}"
        raise HistotileError(
            f"slide {truth.slide_id}",
            f"it is labelled {truth.label!r} but no outline has that class, so all its tissue "
            f"would count as {settings.outside!r}; names in its annotation: {held}",
            "name the outlines in tile.labels.names, or set tile.labels.outside to null",
        )
