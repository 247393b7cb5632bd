"""What is known of a slide before any model has seen it, and what that makes of its tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from histotile.config import Labels
from histotile.tasks.task import Task
from histotile.tiling.outline_names import Meaning, NoLabel, meaning, names_of_classes

if TYPE_CHECKING:
    from histotile.slides.annotations.read import Annotation


@dataclass(frozen=True)
class SlideTruth:
    """What is known of a slide before any model has seen it.

    Attributes:
        slide_id: Named in errors.
        task: What is learnt.
        label: Label of the slide, None if unknown.
        annotations: Its outlines in level-0 px; None if it has no annotation file.
    """

    slide_id: str
    task: Task
    label: str | None = None
    annotations: Sequence[Annotation] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the task, in the order of the config."""
        return self.task.names

    @property
    def passed_over(self) -> Mapping[str, int]:
        """What the annotation files hold besides outlines: kind -> number."""
        found: Mapping[str, int] = getattr(self.annotations, "ignored", {})
        return found

    def meanings(self, settings: Labels) -> list[tuple[Annotation, Meaning]]:
        """Each outline, and the class that it stands for or why it stands for none."""
        known = names_of_classes(self.classes, settings.names)
        return [(annotation, meaning(annotation, known)) for annotation in self.annotations or ()]

    def measured(self, settings: Labels) -> list[tuple[Annotation, Meaning]]:
        """Objects that a program called a class: neither outlines of it nor outside of it."""
        known = names_of_classes(self.classes, settings.names)
        found: Sequence[Annotation] = getattr(self.annotations, "measured", ())
        others = set(self.classes) - {settings.outside}
        return [
            (replace(a, layer=-1), NoLabel.MEASURED) for a in found if meaning(a, known) in others
        ]


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


def all_alike(count: int, label: str | None, why: str | None = None) -> TileLabels:
    """The same label, or none for that reason, for every tile."""
    unknown = np.full(count, np.nan, np.float32)
    return TileLabels([label] * count, unknown, {why: count} if why and count else {})


def why_not_understood(truth: SlideTruth, meanings: Sequence[Meaning]) -> str | None:
    """Why the annotation does not say what lies outside its outlines; None: it does."""
    if any(isinstance(meant, str) for meant in meanings):
        return None
    if NoLabel.UNLISTED in meanings:
        return "no outline bears the name of a class"
    return "no outline in the annotation file" if truth.passed_over and not meanings else None
