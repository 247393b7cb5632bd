"""What is evaluated: tiles, slides and patients, with truth and guesses as aligned arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from histotile.aggregation.aggregate import FoldSlide, aggregate_patient, aggregate_slide
from histotile.config import Aggregate
from histotile.errors import HistotileError
from histotile.io.tables import COLOUR
from histotile.tasks.task import UNKNOWN, Labels, Task, missing_columns, read_values

Floats = NDArray[np.floating[Any]]
Probabilities = dict[str, list[NDArray[np.float32]]]  # model -> (N, C) per slide

UNLABELLED = UNKNOWN


@dataclass(frozen=True)
class SlideTiles:
    """The tiles of one slide that are in use, as evaluation needs them.

    Args:
        slide: Whose they are, and the fold that tests them.
        labels: (N, ...) of the task, e.g. class index, -1 without label.
        colour: (N, 6) as `tables.COLOUR`.
        probabilities: (N, C) values of the network; NaN where it predicted nothing.
        labels_source: `annotation`, `slide`, or `image`: ready-made tiles, in groups that stand
            where slides stand.
    """

    slide: FoldSlide
    labels: Labels
    colour: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    labels_source: str


def slide_tiles(
    slide: FoldSlide,
    tiles: pa.Table,
    predictions: pa.Table | None,
    labels_source: str,
    task: Task,
) -> SlideTiles:
    """The tiles of a slide that are not excluded, joined with their predictions by `tile_id`.

    Args:
        slide: From `fold_slides`.
        tiles: Tile table (`tables.TILES`).
        predictions: Prediction table; None if there is none.
        labels_source: From the footer of the tile table.
        task: What was learnt.

    Raises:
        HistotileError: A label is no class, or a class has no column of predictions.
    """
    used = tiles.filter(pc.is_null(tiles["excluded"]))
    texts = used["label"].to_pylist()
    if foreign := task.foreign(texts):
        raise HistotileError(
            slide.slide_id, f"labels {foreign} are none of the task {task}", "tile again"
        )
    colour = [used[name].to_numpy().astype(np.float32) for name in COLOUR]
    probabilities = np.full((len(used), len(task.columns)), np.nan, dtype=np.float32)
    if predictions is not None:
        _join(slide, used["tile_id"].to_numpy(), predictions, task, probabilities)
    labels = task.labels(texts)
    return SlideTiles(slide, labels, np.stack(colour, axis=1), probabilities, labels_source)


def _join(
    slide: FoldSlide,
    tile_ids: NDArray[np.int32],
    predictions: pa.Table,
    task: Task,
    into: NDArray[np.float32],
) -> None:
    if missing := missing_columns(task, predictions.column_names):
        fact = f"its predictions lack the columns {', '.join(missing)}"
        raise HistotileError(slide.slide_id, fact, "predict with a model of these classes")
    order = np.argsort(predictions["tile_id"].to_numpy())
    known = predictions["tile_id"].to_numpy()[order]
    place = np.minimum(np.searchsorted(known, tile_ids), max(len(known) - 1, 0))
    found = known[place] == tile_ids if len(known) else np.zeros(len(tile_ids), dtype=bool)
    into[found] = read_values(task, predictions)[order][place[found]]


@dataclass(frozen=True)
class Units:
    """Tiles, slides or patients of one level.

    Args:
        level: `tile`, `slide` or `patient`.
        labels: (N, ...) of the task, e.g. class index, -1 without label.
        slides: (N,) index of the slide; of a patient, the first.
        patients: (N,) index of the patient.
        folds: (N,) fold that tests it, as text.
        scores: Model -> (N, C); NaN rows where the model says nothing.
    """

    level: str
    labels: Labels
    slides: NDArray[np.int64]
    patients: NDArray[np.int64]
    folds: NDArray[np.str_]
    scores: dict[str, NDArray[np.float64]]

    def of_fold(self, fold: str) -> "Units":
        """Those tested by that fold."""
        return self.where(self.folds == fold)

    def labelled(self) -> "Units":
        """Those with a label."""
        return self.where(self.labels != UNLABELLED)

    def scored_by(self, *models: str) -> "Units":
        """Those every one of these models has a score for."""
        known = [~np.isnan(self.scores[model]).any(axis=1) for model in models]
        return self.where(np.logical_and.reduce(known))

    def where(self, chosen: NDArray[np.bool_]) -> "Units":
        """Those that a mask of shape (N,) marks."""
        scores = {model: values[chosen] for model, values in self.scores.items()}
        places = self.slides[chosen], self.patients[chosen], self.folds[chosen]
        return Units(self.level, self.labels[chosen], *places, scores)


@dataclass(frozen=True)
class Patients:
    """Every patient of the cohort in order of appearance, with label and fold."""

    ids: list[str]
    labels: list[str | None]
    folds: list[str]
    members: list[list[int]]  # indices of slides


def list_patients(slides: Sequence[SlideTiles], task: Task) -> Patients:
    """The patients behind these slides; a patient's label is by `Task.merged`."""
    members: dict[str, list[int]] = {}
    for i, tiles in enumerate(slides):
        members.setdefault(tiles.slide.patient_id, []).append(i)
    groups = list(members.values())
    labels = [task.merged(slides[i].slide.label for i in g) for g in groups]
    return Patients(list(members), labels, [slides[g[0]].slide.fold for g in groups], groups)


def has_label(labels: Labels, task: Task) -> NDArray[np.bool_]:
    """(N,) which of these labels are known."""
    return np.asarray(task.stratum(labels) != UNKNOWN)


def tile_units(
    slides: Sequence[SlideTiles], patients: Patients, probabilities: Probabilities, task: Task
) -> Units:
    """All labelled tiles of the cohort."""
    kept = [has_label(tiles.labels, task) for tiles in slides]
    owner = owners(patients, len(slides))
    counts = [int(k.sum()) for k in kept]
    scores = {
        model: np.concatenate([p[k] for p, k in zip(values, kept, strict=True)]).astype(np.float64)
        for model, values in probabilities.items()
    }
    return Units(
        "tile",
        np.concatenate([t.labels[k] for t, k in zip(slides, kept, strict=True)]),
        np.repeat(np.arange(len(slides)), counts),
        np.repeat(owner, counts),
        np.repeat(np.array([t.slide.fold for t in slides]), counts),
        scores,
    )


def pooled_units(
    slides: Sequence[SlideTiles],
    patients: Patients,
    probabilities: Probabilities,
    classes: Sequence[str],
    settings: Aggregate,
) -> tuple[Units, Units]:
    """All slides, and all patients, scored as `aggregate` scores them; labelled or not."""
    n_tiles = count_predicted(probabilities)
    scores, pooled = pool_scores(probabilities, n_tiles, patients.members, settings)
    owner = owners(patients, len(slides))
    firsts = np.array([members[0] for members in patients.members], dtype=np.int64)
    labels = _indices([tiles.slide.label for tiles in slides], classes)
    folds = np.array([tiles.slide.fold for tiles in slides])
    places = np.arange(len(slides)), owner, folds
    of_patients = firsts, owner[firsts], np.array(patients.folds)
    return (
        Units("slide", labels, *places, scores),
        Units("patient", _indices(patients.labels, classes), *of_patients, pooled),
    )


def count_predicted(probabilities: Probabilities) -> dict[str, NDArray[np.int64]]:
    """Model -> (slides,) tiles it said something of."""
    return {
        model: np.array([int((~np.isnan(p).any(axis=1)).sum()) for p in values], np.int64)
        for model, values in probabilities.items()
    }


def pool_scores(
    probabilities: Probabilities,
    n_tiles: Mapping[str, NDArray[np.int64]],
    members: Sequence[Any],
    settings: Aggregate,
    has_background: bool = True,
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Model -> (slides, C) and (patients, C) scores; `members`: per patient, rows of its slides."""
    scores = {
        model: np.array([aggregate_slide(p, settings, has_background) for p in values])
        for model, values in probabilities.items()
    }
    pooled = {
        model: np.array(
            [aggregate_patient(s[m], n_tiles[model][m], settings, has_background) for m in members]
        )
        for model, s in scores.items()
    }
    return scores, pooled


def _indices(labels: Sequence[str | None], classes: Sequence[str]) -> NDArray[np.int64]:
    return np.array([UNLABELLED if name is None else classes.index(name) for name in labels])


def owners(patients: Patients, n_slides: int) -> NDArray[np.int64]:
    """(slides,) which patient's each is."""
    owner = np.zeros(n_slides, dtype=np.int64)
    for patient, members in enumerate(patients.members):
        owner[members] = patient
    return owner
