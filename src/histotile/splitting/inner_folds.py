"""Folds within a fold: those who teach and validate are divided once more."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from histotile.config import Split
from histotile.errors import HistotileError
from histotile.io.cohort import CohortSlide
from histotile.splitting.splits import make_folds
from histotile.splitting.strata import slide_strata
from histotile.tasks.task import Task


def inner_folds(
    rows: Sequence[Mapping[str, Any]],
    texts: Mapping[str, Sequence[str]],
    task: Task,
    settings: Split,
) -> list[dict[str, str]]:
    """The role of each slide in each inner fold.

    No patient has two roles in an inner fold, each is tested in one, and every class (group of
    slides) has patients of both other roles in all. Slides without a labelled tile are left out.

    Args:
        rows: Of the fold table: slide_id, patient_id, site.
        texts: slide_id -> labels of its tiles.
        task: What is learnt.
        settings: Number of inner folds, and how patients are divided.

    Raises:
        HistotileError: There are too few patients.
    """
    slides = [
        CohortSlide(
            slide_id=row["slide_id"],
            patient_id=row["patient_id"],
            path=Path(),
            site=row["site"],
            labels=tuple(sorted(set(texts[row["slide_id"]]))),
        )
        for row in rows
        if texts[row["slide_id"]]
    ]
    settings = settings.model_copy(update={"test_patients": []})
    try:
        classes, slides = slide_strata(task, slides, settings.folds)
        columns = make_folds(slides, settings, classes, has_patients=True)
    except HistotileError as error:
        fact = f"its training and validation patients cannot be divided again: {error.fact}"
        remedy = error.remedy.replace("split.folds", "tune.folds")
        raise HistotileError("tune.folds", fact, remedy) from error
    found: list[dict[str, str]] = [{} for _ in range(settings.folds)]
    for fold, slide_id, role in zip(
        *(columns[k] for k in ("fold", "slide_id", "role")), strict=True
    ):
        found[fold][slide_id] = role
    return found
