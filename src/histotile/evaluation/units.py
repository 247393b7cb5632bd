"""What is evaluated: tiles, slides and patients, with truth and guesses as aligned arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from histotile.aggregation.aggregate import FoldSlide, LearntScore
from histotile.aggregation.calls import fold_offsets, shifted_by_fold
from histotile.config import Aggregate
from histotile.errors import HistotileError
from histotile.io.tables import COLOUR
from histotile.tasks.task import UNKNOWN, Labels, Task, missing_columns, read_values

Floats = NDArray[np.floating[Any]]
Probabilities = dict[str, list[NDArray[np.float32]]]  # model -> (N, C) per slide

UNLABELLED = UNKNOWN
NETWORK = "network"


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
        learnt: Score of the slide where slides are learnt and some fold tests it.
    """

    slide: FoldSlide
    labels: Labels
    colour: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    labels_source: str
    learnt: LearntScore | None = None


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
        shifted: Model -> the same with learnt offsets, to call by; empty where scores are.
    """

    level: str
    labels: Labels
    slides: NDArray[np.int64]
    patients: NDArray[np.int64]
    folds: NDArray[np.str_]
    scores: dict[str, NDArray[np.float64]]
    shifted: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def called(self, model: str) -> NDArray[np.float64]:
        """(N, C) scores whose highest is the call."""
        return self.shifted.get(model, self.scores[model])

    def with_calls(self, task: Task, settings: Aggregate, methods: Mapping[str, str]) -> "Units":
        """The same, called by offsets that other folds' patients teach, if calls are learnt.

        `methods`: fold -> what gave the network's score of a slide, where slides are learnt.
        """
        if settings.calls == "highest":
            return self
        found = {}
        for model, scores in self.scores.items():
            folds, used = self.folds.tolist(), methods if model == NETWORK else None
            offsets = fold_offsets(scores, self.labels, folds, self.patients, task, used)
            found[model] = shifted_by_fold(scores, folds, offsets)
        return replace(self, shifted=found)

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
        scores, shifted = (
            {model: values[chosen] for model, values in found.items()}
            for found in (self.scores, self.shifted)
        )
        places = self.slides[chosen], self.patients[chosen], self.folds[chosen]
        return Units(self.level, self.labels[chosen], *places, scores, shifted)


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


def owners(patients: Patients, n_slides: int) -> NDArray[np.int64]:
    """(slides,) which patient's each is."""
    owner = np.zeros(n_slides, dtype=np.int64)
    for patient, members in enumerate(patients.members):
        owner[members] = patient
    return owner
