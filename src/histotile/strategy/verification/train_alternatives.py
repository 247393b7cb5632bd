"""One strategy on one fold: trained on its training patients, judged on its test patients."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.backbones.build import head
from histotile.config import Backbone, Train
from histotile.data.augmentation.augmentation import make_transform
from histotile.data.dataset import TileDataset
from histotile.data.selection import Selection, make_selection, read_labels, select_tiles, take_part
from histotile.inference.checkpoint import TrainedModel, load
from histotile.inference.engines.torch import TorchEngine
from histotile.inference.model_metadata import CHECKPOINT
from histotile.io import tables
from histotile.io.features import BaselineFile, read_baseline, read_features
from histotile.io.identity import check_same
from histotile.tasks.probe import Features, fit_probe
from histotile.tasks.task import Task, value_columns
from histotile.training.job import FoldSlide, Machine, Run, places_of
from histotile.training.train_fold import train_fold

COLOUR = "colour"
_TRUNCATED = (
    "early_probe",
    "truncate",
)  # like `linear_probe`, no more than a head on cached features
BATCH = 64


def compare(
    slides: Sequence[FoldSlide],
    task: Task,
    backbone: Backbone,
    settings: Train,
    decided: tuple[Any, tuple[int, ...]],
    machine: Machine | None = None,
) -> dict[str, Any]:
    """Columns slide_id, patient_id, tile_id, label and the task's own of the labelled test tiles.

    Beside them `seconds`; `kept`: the epoch that was kept, or the L2 strength of a head; and
    `gave_way`: whether a training that never bettered the probe it began with gave way to a probe.

    At most `settings.max_tiles_per_slide` per slide and stratum, the same for every strategy.

    Args:
        slides: Of the fold, test slides too.
        task: What is learnt.
        backbone: The network below the head.
        settings: Section `train`; its strategy is ignored.
        decided: The strategy to compare, and the stages of `early_probe`.
        machine: How it runs.
    """
    start = time.monotonic()
    tested = [s for s in slides if s.role == "test"]
    named = {s.slide_id: s.tiles for s in tested}
    limit = settings.max_tiles_per_slide
    chosen = select_tiles(named, list(named), task, limit, settings.seed, places_of(tested))
    patients = np.array([s.patient_id for s in tested])[chosen.slide]
    settings = settings.model_copy(update={"strategy": decided[0], "tensorboard": False})
    with tempfile.TemporaryDirectory() as folder:
        taught = [s for s in slides if s.role != "test"]
        run = Run(machine or Machine(), decided)
        summary = train_fold(Path(folder), taught, task, backbone, settings, run)
        model = load(Path(folder) / CHECKPOINT)
    headed = decided[0] == "linear_probe" or (decided[0], settings.early_probe) == _TRUNCATED
    if headed and all(s.features for s in tested):
        values = _from_features(model, chosen, tested)
    else:
        values = _from_pixels(model, chosen, settings, machine)
    found = _columns(chosen, patients, values, time.monotonic() - start)
    return found | {
        "kept": summary["best"]["step"],
        "gave_way": summary["instead_of"] is not None,
    }


def compare_colour(slides: Sequence[FoldSlide], task: Task, settings: Train) -> dict[str, Any]:
    """The same columns from mean and SD of red, green and blue alone: the baseline."""
    start = time.monotonic()
    limit = settings.max_tiles_per_slide
    tested = [s for s in slides if s.role == "test"]
    taught = [s for s in slides if s.role != "test"]
    train, test = (
        select_tiles(
            {s.slide_id: s.tiles for s in some},
            [s.slide_id for s in some],
            task,
            limit,
            settings.seed,
        )
        for some in (taught, tested)
    )
    groups = np.array([s.patient_id for s in taught])[train.slide]
    seen = Features(_colour(train, taught), train.label, groups)
    head = fit_probe(task, seen, settings.class_weights, settings.seed).head
    values = task.activate(head.logits(_colour(test, tested)))
    patients = np.array([s.patient_id for s in tested])[test.slide]
    return _columns(test, patients, values, time.monotonic() - start)


def compare_random(
    slides: Sequence[FoldSlide], task: Task, settings: Train, baseline: Path, stage: int
) -> dict[str, Any]:
    """The same columns of the tiles that the baseline holds, from their features by random weights.

    Args:
        slides: Of the fold, test slides too; those of the fixed test set have no such features.
        task: What is learnt.
        settings: Section `train`.
        baseline: What `baseline` wrote.
        stage: Under the probe.
    """
    start = time.monotonic()
    sample = read_baseline(baseline)
    values = sample.of_stage(stage)
    (train, taught), (test, tested) = (
        _sampled([s for s in slides if (s.role == "test") == is_tested], task, sample)
        for is_tested in (False, True)
    )
    groups = np.array([s.patient_id for s in slides if s.role != "test"])[train.slide]
    seen = Features(values[taught], train.label, groups)
    head = fit_probe(task, seen, settings.class_weights, settings.seed).head
    patients = np.array([s.patient_id for s in slides if s.role == "test"])[test.slide]
    found = task.activate(head.logits(values[tested]))
    return _columns(test, patients, found, time.monotonic() - start)


def _sampled(
    slides: Sequence[FoldSlide], task: Task, sample: BaselineFile
) -> tuple[Selection, NDArray[np.int64]]:
    """The labelled tiles of these slides that the baseline holds, and their rows in it."""
    parts, rows = [], []
    for slide in slides:
        table = tables.read_table(slide.tiles)
        labels, strata = read_labels(table, task)
        own = np.flatnonzero(sample.slide_ids == slide.slide_id)
        own = own[np.isin(sample.tile_ids[own], np.concatenate(strata))]
        parts.append(take_part(table, labels, [sample.tile_ids[own].astype(np.int64)]))
        rows.append(own)
    paths = {s.slide_id: s.tiles for s in slides}
    return make_selection(paths, list(paths), task, parts), np.concatenate(rows)


def _columns(
    chosen: Selection,
    patients: NDArray[np.str_],
    values: NDArray[np.floating],
    seconds: float,
) -> dict[str, Any]:
    return {
        "slide_id": np.array(chosen.slide_ids)[chosen.slide],
        "patient_id": patients,
        "tile_id": chosen.tile_id,
        "label": chosen.label,
        **value_columns(chosen.task, values),
        "seconds": seconds,
    }


def _colour(chosen: Selection, slides: Sequence[FoldSlide]) -> NDArray[np.float64]:
    paths = {s.slide_id: s.tiles for s in slides}
    found = []
    for number, slide_id in enumerate(chosen.slide_ids):
        table = tables.read_table(paths[slide_id])
        rows = chosen.tile_id[chosen.slide == number]
        found.append(np.stack([table[name].to_numpy()[rows] for name in tables.COLOUR], axis=1))
    return np.concatenate(found).astype(np.float64)


def _from_features(
    model: TrainedModel, chosen: Selection, tested: Sequence[FoldSlide]
) -> NDArray[np.float64]:
    files = {s.slide_id: s.features for s in tested}
    layer = head(model.network)
    weight, bias = (p.detach().double().numpy() for p in (layer.weight, layer.bias))
    logits = []
    for number, slide_id in enumerate(chosen.slide_ids):
        path = files[slide_id]
        assert path is not None
        file = read_features(path)
        check_same(path, chosen.identities[number], file.facts["identity"])
        row_of = {int(tile): row for row, tile in enumerate(file.tile_ids)}
        rows = [row_of[int(tile)] for tile in chosen.tile_id[chosen.slide == number]]
        stages = model.architecture.stages or (len(file.stages),)
        logits.append(file.of_stages(stages)[rows].astype(np.float64) @ weight.T + bias)
    return model.task.activate(np.concatenate(logits))


def _from_pixels(
    model: TrainedModel, chosen: Selection, settings: Train, machine: Machine | None
) -> NDArray[np.float64]:
    transform = make_transform("test", settings.augment, chosen.tile_px, settings.seed)
    threads = machine.threads if machine else None
    engine = TorchEngine(model.network, model.mean, model.std, threads=threads)
    data = TileDataset(chosen, transform, packs=machine.packs if machine else None)
    logits = []
    for start in range(0, len(data), BATCH):
        tiles = [data[n][0].numpy() for n in range(start, min(start + BATCH, len(data)))]
        logits.append(engine(np.stack(tiles).transpose(0, 2, 3, 1)))
    return model.task.activate(np.concatenate(logits))
