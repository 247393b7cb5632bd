"""The tiles of one fold: who trains, who stops the training, and what training gives back."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from histotile.backbones.build import Architecture
from histotile.config import Backbone, Train
from histotile.data.profiling.training_profiler import TrainingProfiler
from histotile.data.selection import Selection, select_tiles
from histotile.errors import HistotileError
from histotile.tasks.task import Task
from histotile.training.learning_curve import Point

Strategy = Literal["linear_probe", "early_probe", "finetune", "retrain"]


@dataclass(frozen=True)
class FoldSlide:
    """A slide of a fold: its role, tile table and, for heads, features.

    `slide` is where it is; None: where it was when it was tiled.
    """

    slide_id: str
    patient_id: str
    role: Literal["train", "val", "test"]
    tiles: Path
    features: Path | None = None
    slide: Path | None = None


@dataclass(frozen=True)
class Machine:
    """What trains; none of it belongs to the science.

    Attributes:
        devices: GPUs, or processes where there is none.
        threads: Of the processor, for all of it; None: as many as it has.
        workers: Processes that load tiles for each device; None: see `loading`.
        packs: Folder of `<slide_id>.pack`; None: tiles are read from the slides.
        progress: Called with steps done and steps in all.
        show: Called with the curve after each new point, and what it runs over.
        profiler: Finds out where the time goes.
    """

    devices: int = 1
    threads: int | None = None
    workers: int | None = None
    packs: Path | None = None
    progress: Callable[[int, int], None] | None = None
    show: Callable[[Sequence[Point], str], None] | None = None
    profiler: TrainingProfiler = field(default_factory=TrainingProfiler)

    def loading(self) -> int:
        """Processes that load tiles for each device.

        Beside a GPU all threads but one load. Without one the network needs them all: the tiles
        are then read in between, which takes few per cent of the time.
        """
        if self.workers is not None:
            return self.workers
        if not torch.cuda.is_available():
            return 0
        return max(1, (self.threads or os.cpu_count() or 1) // self.devices - 1)


@dataclass(frozen=True)
class Run:
    """How a fold is trained, beside its settings.

    Attributes:
        machine: Devices, threads and the like.
        decided: The strategy that `decide` found for this fold, and the stages of `early_probe`.
        portable: Whether the model is to be used elsewhere: it is written as model.onnx, too, which
            needs no PyTorch to predict (the summary's `torch_only` says why, if that cannot be),
            and carries what recognises slides unlike those it was taught on.
        icc: Likeness of a patient's tiles, as `decide` measured it.
    """

    machine: Machine = field(default_factory=Machine)
    decided: tuple[Strategy, tuple[int, ...]] | None = None
    portable: bool = False
    icc: float | None = None


@dataclass(frozen=True)
class FoldTiles:
    """What one fold trains on and what stops it."""

    slides: tuple[FoldSlide, ...]
    train: Selection
    val: Selection

    def patients(self, selection: Selection) -> NDArray[Any]:
        """The patient of each tile of one of the two selections."""
        of_slide = {s.slide_id: s.patient_id for s in self.slides}
        return np.array([of_slide[name] for name in selection.slide_ids])[selection.slide]

    def sizes(self) -> dict[str, Any]:
        """Patients, slides and tiles per stratum of both roles, ready for JSON."""
        return {
            role: {
                "patients": len(set(self.patients(selection))),
                "slides": len(set(selection.slide.tolist())),
                "tiles": selection.count(),
            }
            for role, selection in (("train", self.train), ("val", self.val))
        }


@dataclass(frozen=True)
class Job:
    """All that a strategy is given. `stages` are those under the head, where some are early."""

    folder: Path
    fold: FoldTiles
    backbone: Backbone
    settings: Train
    machine: Machine
    strategy: Strategy
    stages: tuple[int, ...]

    @property
    def task(self) -> Task:
        """What is learnt."""
        return self.fold.train.task

    @property
    def untaught(self) -> bool:
        """Whether the backbone comes with random weights: nothing in it is worth keeping."""
        return self.backbone.weights == "none"


@dataclass(frozen=True)
class Outcome:
    """What a strategy gives back: the network, its learning curve, and facts for the summary.

    The curve runs over epochs, or else over L2 strengths. `stages` are those that the head sees, 1
    the shallowest, ascending; `dropped_weights` are those of the backbone behind them, where they
    are left out. `primary` is false in all but one of the processes of a training on several
    devices. `cached`: whether the head learnt from cached features of its stages, and the layers
    below it not at all.
    """

    network: nn.Module
    architecture: Architecture
    curve: Sequence[Point]
    best: Point
    over_epochs: bool
    stages: tuple[int, ...]
    trained_weights: int
    dropped_weights: int
    facts: dict[str, Any]
    primary: bool = True
    cached: bool = False


def gather_tiles(
    slides: Sequence[FoldSlide], task: Task, max_per_slide: int, seed: int
) -> FoldTiles:
    """The labelled, not excluded tiles of a fold, at most so many per slide and stratum.

    Raises:
        HistotileError: Tables of different scale, no labelled tile for val, or a stratum (class)
            without tiles for train.
    """
    tables = {s.slide_id: s.tiles for s in slides}
    chosen = {
        role: select_tiles(
            tables,
            [s.slide_id for s in slides if s.role == role],
            task,
            max_per_slide,
            seed,
            places_of(slides),
        )
        for role in ("train", "val")
        if _has_slides(slides, role)
    }
    train, val = chosen["train"], chosen["val"]
    if (train.tile_mpp, train.tile_px) != (val.tile_mpp, val.tile_px):
        fact = f"train has {train.tile_px} px at {train.tile_mpp} um/px, val {val.tile_px} px at"
        raise HistotileError("tiles", f"{fact} {val.tile_mpp}", "tile all slides again alike")
    _check_strata(train, val)
    return FoldTiles(tuple(slides), train, val)


_REMEDY = "check labels, annotations (tile.labels) and split.folds: too few patients per class?"


def places_of(slides: Sequence[FoldSlide]) -> dict[str, Path]:
    """slide_id -> where the slide is, where that is known."""
    return {s.slide_id: s.slide for s in slides if s.slide}


def _has_slides(slides: Sequence[FoldSlide], role: str) -> bool:
    if not any(s.role == role for s in slides):
        raise HistotileError("training", f"the fold has no slide of role {role}", _REMEDY)
    return True


def _check_strata(train: Selection, val: Selection) -> None:
    if not len(val):
        raise HistotileError("training", "no slide of role val has a labelled tile", _REMEDY)
    counts = train.count()
    missing = train.task.lacking(train.label)
    if missing:
        there = ", ".join(f"{n} {name}" for name, n in counts.items() if n) or "none at all"
        fact = f"no training tile is labelled {' or '.join(missing)} (there are: {there})"
        raise HistotileError("training", fact, _REMEDY)
