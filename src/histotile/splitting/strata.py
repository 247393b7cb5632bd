"""Groups of slides that folds are balanced by, of any task."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from histotile.config.task import NONE_OF_THEM
from histotile.errors import HistotileError
from histotile.io.cohort import CohortSlide
from histotile.io.text.csv_file import some
from histotile.tasks.multilabel import split_labels
from histotile.tasks.regression import Regression
from histotile.tasks.task import Task

MOST_PARTS = 4  # of patients by their number
SPARE = 2  # patients of a part beyond one for each fold
NO_NUMBER = "no number"


def slide_strata(
    task: Task, slides: Sequence[CohortSlide], folds: int
) -> tuple[tuple[str, ...], list[CohortSlide]]:
    """Names of groups, and the slides with those they count for in `labels`.

    Groups are classes; or each label and `none`; or, of a regression, up to four parts of the
    patients by their mean number, those without any in one of them.

    Raises:
        HistotileError: Labels that are none of the task (other than of classes, which `make_folds`
            names), or a number that is the same on all slides.
    """
    if task.is_exclusive:
        return task.names, list(slides)
    _check(task, slides)
    if isinstance(task, Regression):
        return _by_number(task, slides, folds)
    borne = {slide: _borne(slide) for slide in slides}
    return (NONE_OF_THEM, *task.names), [replace(s, labels=borne[s]) for s in slides]


def _texts(slide: CohortSlide) -> tuple[str, ...]:
    return slide.labels or ((slide.label,) if slide.label else ())


def _check(task: Task, slides: Sequence[CohortSlide]) -> None:
    strange: dict[str, list[str]] = defaultdict(list)
    for slide in slides:
        for text in task.foreign(_texts(slide)):
            strange[text].append(f"row {slide.row}" if slide.row else slide.slide_id)
    if strange:
        named = [f"label {text!r} ({some(where, ', ')})" for text, where in strange.items()]
        fact = f"not of the task {task}: {some(named)}"
        remedy = "mend the column `label`, or `task` and `classes`; see docs/tasks.md"
        raise HistotileError("cohort", fact, remedy)


def _borne(slide: CohortSlide) -> tuple[str, ...]:
    named = [split_labels(text) or [NONE_OF_THEM] for text in _texts(slide)]
    return tuple(dict.fromkeys(name for names in named for name in names))


def _by_number(
    task: Regression, slides: Sequence[CohortSlide], folds: int
) -> tuple[tuple[str, ...], list[CohortSlide]]:
    numbers: dict[str, list[float]] = defaultdict(list)
    for slide in slides:
        numbers[slide.patient_id] += task.labels(_texts(slide)).tolist()
    means = {patient: float(np.mean(found)) for patient, found in numbers.items() if found}
    if len(means) > 1 and len(set(means.values())) == 1:
        fact = f"every patient has the number {task.with_unit(next(iter(means.values())))}"
        raise HistotileError("cohort", fact, "there is nothing to learn: mend the column `label`")
    parts = max(1, min(MOST_PARTS, len(means) // (folds + SPARE)))
    part = _parts(means, parts)
    names = tuple(f"part {n + 1} of {parts} by {task.names[0]}" for n in range(parts))
    bare = numbers.keys() - means.keys()
    if len(bare) >= folds + SPARE:
        names = (*names, NO_NUMBER)
    of_bare = names[-1] if means else names[0]
    return names, [
        replace(s, labels=(names[part[s.patient_id]] if s.patient_id in part else of_bare,))
        for s in slides
    ]


def _parts(means: Mapping[str, float], parts: int) -> dict[str, int]:
    """Patient -> the part by rank, all as large as can be."""
    ranked = sorted(means, key=lambda patient: (means[patient], patient))
    return {patient: rank * parts // len(ranked) for rank, patient in enumerate(ranked)}
