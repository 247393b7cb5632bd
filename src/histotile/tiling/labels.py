"""Which label a tile takes: from the outlines of an annotation, or from its slide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histotile.config import Labels
from histotile.errors import HistotileError
from histotile.tiling.outline_names import Meaning, NoLabel, meaning, names_of_classes
from histotile.tiling.overlaps import overlap_shares
from histotile.tiling.partition import Areas, divide

if TYPE_CHECKING:
    from histotile.slides.annotations.read import Annotation

_BETWEEN = "between the limits of overlap"
MISSED = "no outline lies on a tile: are they of this slide, in level-0 px?"
_BLANK: dict[Meaning, str] = {
    NoLabel.UNLISTED: "touching an outline whose name is no class",
    NoLabel.IGNORED: "touching a region that is left out",
    NoLabel.MEASURED: "touching what a program measured as a class, but nobody outlined",
}


@dataclass(frozen=True)
class SlideTruth:
    """What is known of a slide before any model has seen it.

    Attributes:
        slide_id: Named in errors.
        classes: All classes, in the order of the config.
        label: Label of the slide, None if unknown.
        annotations: Its outlines in level-0 px; None if it has no annotation file.
    """

    slide_id: str
    classes: tuple[str, ...]
    label: str | None = None
    annotations: Sequence[Annotation] | None = None

    @property
    def passed_over(self) -> Mapping[str, int]:
        """What the annotation files hold besides outlines: kind -> number."""
        found: Mapping[str, int] = getattr(self.annotations, "ignored", {})
        return found

    def meanings(self, settings: Labels) -> list[tuple[Annotation, Meaning]]:
        """Each outline, and the class that it stands for or why it stands for none."""
        known = names_of_classes(self.classes, settings.names)
        return [(annotation, meaning(annotation, known)) for annotation in self.annotations or ()]


@dataclass(frozen=True)
class TileLabels:
    """The labels of the tiles of a slide.

    Attributes:
        labels: One for each tile; None: not to be trained on.
        overlap: Largest share of each tile's area in outlines of one class other than `outside`;
            NaN where no outlines were used.
        why_none: Why tiles have no label -> how many.
        contested_px: Area that outlines of two classes claim, level-0 px.
    """

    labels: list[str | None]
    overlap: NDArray[np.float32]
    why_none: Mapping[str, int] = field(default_factory=dict)
    contested_px: float = 0.0


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
    if settings.source == "slide":
        return _alike(len(x), truth.label)
    is_outside = settings.outside is not None and truth.label == settings.outside
    if truth.annotations is None:
        if is_outside or truth.label is None:
            return _alike(len(x), truth.label)
        return _alike(len(x), None, "no annotation file")
    meanings = truth.meanings(settings)
    areas = divide([*_measured(truth, settings), *meanings])
    _check_conflict(truth, settings, {name for name in areas if isinstance(name, str)})
    unknown = _not_understood(truth, [meant for _, meant in meanings])
    if unknown and not is_outside:
        return _alike(len(x), None, unknown)
    found = _from_areas(x, y, size, areas, truth, settings)
    if is_outside or not len(x) or found.overlap.any():
        return found
    named = {name: area for name, area in areas.items() if isinstance(name, str)}
    shown = named.pop(settings.outside, None) if settings.outside else None
    if not named or (shown is not None and overlap_shares(shown, x, y, size).any()):
        return found
    return replace(_alike(len(x), None, MISSED), overlap=found.overlap)


def _measured(truth: SlideTruth, settings: Labels) -> list[tuple[Annotation, Meaning]]:
    """Objects that a program called a class: neither outlines of it nor outside of it."""
    known = names_of_classes(truth.classes, settings.names)
    measured: Sequence[Annotation] = getattr(truth.annotations, "measured", ())
    others = set(truth.classes) - {settings.outside}
    found = (a for a in measured if meaning(a, known) in others)
    return [(replace(a, layer=-1), NoLabel.MEASURED) for a in found]


def _not_understood(truth: SlideTruth, meanings: Sequence[Meaning]) -> str | None:
    """Why the annotation does not say what lies outside its outlines; None: it does."""
    if any(isinstance(meant, str) for meant in meanings):
        return None
    if NoLabel.UNLISTED in meanings:
        return "no outline bears the name of a class"
    return "no outline in the annotation file" if truth.passed_over and not meanings else None


def _alike(count: int, label: str | None, why: str | None = None) -> TileLabels:
    unknown = np.full(count, np.nan, np.float32)
    return TileLabels([label] * count, unknown, {why: count} if why and count else {})


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
    if truth.label is not None and truth.label not in truth.classes:
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
