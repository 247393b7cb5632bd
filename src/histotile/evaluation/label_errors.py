"""Labelled tiles whose held-out prediction says otherwise: where labels are worth a second look."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from shapely.geometry import box

from histotile.errors import HistotileError
from histotile.io.palette import class_colours
from histotile.io.text.qupath import Feature, feature
from histotile.tasks.named_probabilities import PREFIX
from histotile.tasks.task import Task, missing_columns, read_values

COLUMNS = (
    "slide_id",
    "patient_id",
    "tile_id",
    "x",
    "y",
    "label",
    "pred",
    f"{PREFIX}label",
    f"{PREFIX}pred",
    "disagreement",
    "rank",
    "file",
)


@dataclass(frozen=True)
class LabelledSlide:
    """A slide with labels and held-out predictions, or a group of ready-made tiles.

    Args:
        slide_id: Its name.
        patient_id: Whose it is.
        tiles: Tile table (`tables.TILES`).
        predictions: Prediction table of models that were not trained on this slide.
    """

    slide_id: str
    patient_id: str
    tiles: pa.Table
    predictions: pa.Table


@dataclass(frozen=True)
class LabelError:
    """A tile whose label the models doubt.

    Args:
        slide_id: Its slide, or group of ready-made tiles.
        patient_id: Whose it is.
        tile_id: Row in the tile table.
        x: Left edge, level-0 px.
        y: Top edge, level-0 px.
        label: What it is called now.
        pred: The most probable class.
        probabilities: Of every class by name.
        disagreement: 1 - probability of the label.
        file: Image of a ready-made tile; None where it is cut from a slide.
        rank: 1 is the largest disagreement of the cohort.
    """

    slide_id: str
    patient_id: str
    tile_id: int
    x: int
    y: int
    label: str
    pred: str
    probabilities: Mapping[str, float]
    disagreement: float
    file: str | None
    rank: int = 0

    def row(self) -> dict[str, Any]:
        """Its row of the table, keys as `COLUMNS`."""
        facts = vars(self) | {
            f"{PREFIX}label": round(self.probabilities[self.label], 6),
            f"{PREFIX}pred": round(self.probabilities[self.pred], 6),
            "disagreement": round(self.disagreement, 6),
        }
        if self.file is not None:
            facts |= {"x": None, "y": None}  # a ready-made tile has no place on a slide
        return {name: facts[name] for name in COLUMNS}


def find_label_errors(
    slides: Iterable[LabelledSlide], task: Task, most: int, least: float
) -> list[LabelError]:
    """The tiles in use whose label and prediction disagree most, over the whole cohort, ranked.

    The disagreement is 1 - the probability of the label, i.e. one minus the self-confidence that
    confident learning ranks by (Northcutt et al. 2021, doi:10.1613/jair.1.12125). Only tiles whose
    most probable class is another one than their label count. Equal ones rank by slide, in
    the given order, then by tile. Memory holds `most` tiles and one slide.

    Args:
        slides: One after the other.
        task: What was learnt.
        most: At most so many tiles.
        least: Disagreement below which a tile is none, 0-1.

    Raises:
        HistotileError: A label is no class, a class has no column of predictions, or these are of
            other tiles.
    """
    found: list[LabelError] = []
    for slide in slides:
        found += _of_slide(slide, task, most, least)
        found = sorted(found, key=lambda s: -s.disagreement)[:most]
    return [LabelError(**{**vars(s), "rank": rank}) for rank, s in enumerate(found, 1)]


def label_error_features(
    errors: Iterable[LabelError], task: Task, side: float, bounds: Sequence[int]
) -> list[Feature | None]:
    """One annotation per tile of a slide, classified by the label it has now, for QuPath.

    So a relabeller changes only what is wrong; the rest says what it said before.

    Args:
        errors: Tiles of one slide.
        task: What was learnt; its names give the colours.
        side: Of a tile, level-0 px.
        bounds: The slide's bounds, x, y, width, height: QuPath counts from their corner.
    """
    colours = class_colours(task.names)
    return [
        feature(
            "annotation",
            box(s.x - bounds[0], s.y - bounds[1], s.x - bounds[0] + side, s.y - bounds[1] + side),
            (s.label, colours[s.label]),
            key=repr(("suspect", s.slide_id, s.x, s.y)),
            measurements={
                **{PREFIX + name: round(p, 6) for name, p in s.probabilities.items()},
                "disagreement": round(s.disagreement, 6),
                "rank": s.rank,
            },
            name=f"label {s.label}, pred {s.pred} {s.probabilities[s.pred]:.2f}",
        )
        for s in errors
    ]


def _of_slide(slide: LabelledSlide, task: Task, most: int, least: float) -> list[LabelError]:
    joined = _joined(slide, task)
    p = read_values(task, joined).astype(np.float64)
    labels = task.labels(joined["label"].to_pylist())
    preds = p.argmax(axis=1)
    doubt = 1 - p[np.arange(len(p)), labels]
    chosen = np.flatnonzero((preds != labels) & (doubt >= least))  # NaN, no prediction: never
    chosen = chosen[np.argsort(-doubt[chosen], kind="stable")][:most]
    return [
        LabelError(
            slide.slide_id,
            slide.patient_id,
            row["tile_id"],
            row["x"],
            row["y"],
            row["label"],
            task.names[preds[i]],
            dict(zip(task.names, p[i].tolist(), strict=True)),
            float(doubt[i]),
            row["file"],
        )
        for i, row in zip(chosen, joined.take(chosen).to_pylist(), strict=True)
    ]


def _joined(slide: LabelledSlide, task: Task) -> pa.Table:
    """The labelled tiles in use with their predictions, by tile_id, checked to fit."""
    if missing := missing_columns(task, slide.predictions.column_names):
        fact = f"its predictions lack the columns {', '.join(missing)}"
        raise HistotileError(slide.slide_id, fact, "predict with a model of these classes")
    used = pc.and_(pc.is_null(slide.tiles["excluded"]), pc.is_valid(slide.tiles["label"]))
    tiles = slide.tiles.select(["tile_id", "x", "y", "label", "file"]).filter(used)
    if foreign := task.foreign(tiles["label"].to_pylist()):
        raise HistotileError(slide.slide_id, f"labels {foreign} are no classes", "tile again")
    guesses = slide.predictions.select(["tile_id", "x", "y", *task.columns])
    joined = tiles.join(guesses, "tile_id", join_type="inner", right_suffix="_predicted")
    if any((joined[a].to_numpy() != joined[f"{a}_predicted"].to_numpy()).any() for a in "xy"):
        fact = "its predictions are of tiles that lie elsewhere than those of its tile table"
        raise HistotileError(slide.slide_id, fact, "predict its tiles again")
    return joined.sort_by("tile_id")
