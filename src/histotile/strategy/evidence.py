"""What a decision rests on: a sample of labelled tiles with their features, and all tile counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from histotile.io.features import Half, Stage
    from histotile.tasks.task import Labels, Task


@dataclass(frozen=True)
class Evidence:
    """A sample of N labelled tiles of P patients; rows are tiles, all arrays aligned.

    Args:
        classes: Names; `labels` count from 0 in their order.
        stages: Depths of the backbone, shallow to deep.
        features: (N, width) of each stage, pre-trained weights.
        random: The same of random weights; empty without a baseline file.
        labels: (N,) class numbers.
        patients: (N,) patient numbers 0..P-1.
        sites: (N,) site numbers; None where the cohort knows no sites.
        slides: (N,) slide numbers.
        colour: (N, 6) the columns `tables.COLOUR`.
        domain: What the backbone was pre-trained on.
        counts: (P, C) tiles per patient and class over all labelled tiles, not the sample alone.
        facts: backbone (its name and weights), backbone_id, has_patients (bool), patient_ids and
            slide_ids (lists of names behind the numbers), ...
        task: What is learnt; None: classes.
        truth: (N, ...) labels of the task, where they are no class numbers; `classes` are then the
            two sides of `tasks.groups`.
    """

    classes: tuple[str, ...]
    stages: tuple[Stage, ...]
    features: tuple[Half, ...]
    random: tuple[Half, ...]
    labels: NDArray[np.int64]
    patients: NDArray[np.int64]
    sites: NDArray[np.int64] | None
    slides: NDArray[np.int64]
    colour: NDArray[np.float32]
    domain: Literal["natural", "pathology"]
    counts: NDArray[np.int64]
    facts: Mapping[str, Any]
    task: Task | None = None
    truth: Labels | None = None

    @property
    def score_name(self) -> str:
        """What stages are judged by: AUROC, if there are classes."""
        is_other = self.task is not None and not self.task.is_exclusive
        return self.task.score_name if self.task and is_other else "AUROC"

    @property
    def chance(self) -> float:
        """That score of guessing."""
        return self.task.chance if self.task else 0.5

    def where(self, patients: Collection[int]) -> Evidence:
        """The same of some patients alone, who are numbered anew from 0 in their old order."""
        kept = np.unique(np.fromiter(patients, np.int64))
        rows = np.flatnonzero(np.isin(self.patients, kept))
        names = self.facts.get("patient_ids")
        fewer = {"patient_ids": [names[p] for p in kept]} if names is not None else {}
        return replace(
            self,
            features=tuple(values[rows] for values in self.features),
            random=tuple(values[rows] for values in self.random),
            labels=self.labels[rows],
            patients=np.searchsorted(kept, self.patients[rows]),
            sites=None if self.sites is None else self.sites[rows],
            slides=self.slides[rows],
            colour=self.colour[rows],
            counts=self.counts[kept],
            truth=None if self.truth is None else self.truth[rows],
            facts={**self.facts, **fewer},
        )
