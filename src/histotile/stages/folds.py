"""What a fold learns from: the slides of each role, with their files."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from histotile.config import Backbone
from histotile.errors import HistotileError
from histotile.splitting.fold_table import fold_rows
from histotile.stages.files import slide_places
from histotile.tasks.task import Task
from histotile.training.job import FoldSlide


@dataclass(frozen=True)
class Inputs:
    """What a fold learns from.

    Attributes:
        folds: Fold table.
        fold: Which of its folds, e.g. fold0.
        tiles: Folder of tile tables.
        decision: What `decide` found, for strategy `auto`.
        features: Folder of features, for strategies with fixed layers.
        cohort: The cohort file, by which slides are found; None: where they were tiled.
        prefix: What comes before the paths in it, see `placed`.
        baseline: What `baseline` wrote, for `random_weights`.
        accept: Ids of findings -> the user's reasons.
    """

    folds: Path
    fold: str
    tiles: Path
    decision: Path | None = None
    features: Path | None = None
    cohort: Path | None = None
    prefix: str = ""
    baseline: Path | None = None
    accept: Mapping[str, str] = field(default_factory=dict)

    @property
    def baseline_file(self) -> Path:
        """Where features by random weights are.

        Raises:
            HistotileError: None is given.
        """
        if self.baseline is None:
            remedy = "name the file that `histotile baseline` wrote: --baseline"
            raise HistotileError("random_weights", "needs the baseline of the cohort", remedy)
        return self.baseline


@dataclass(frozen=True)
class Network:
    """What is trained: a backbone, and what it learns."""

    backbone: Backbone
    task: Task


def fold_slides(inputs: Inputs, roles: Collection[str]) -> list[FoldSlide]:
    """The slides that have one of these roles in the fold, with their files.

    Raises:
        HistotileError: There is none.
    """
    tiles, features = inputs.tiles, inputs.features
    places = slide_places(inputs.cohort, inputs.prefix)
    slides = [
        FoldSlide(
            slide_id=row["slide_id"],
            patient_id=row["patient_id"],
            role=row["role"],
            tiles=tiles / f"{row['slide_id']}.parquet",
            features=features / f"{row['slide_id']}.h5" if features else None,
            slide=places.get(row["slide_id"]),
        )
        for row in fold_rows(inputs.folds)
        if f"fold{row['fold']}" == inputs.fold and row["role"] in roles
    ]
    if not slides:
        fact = f"it has no slides for {inputs.fold}"
        raise HistotileError(inputs.folds, fact, "name a fold, e.g. fold0")
    return slides
