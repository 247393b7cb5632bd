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
from histotile.data.selection import Selection, select_tiles
from histotile.inference.checkpoint import TrainedModel, load
from histotile.inference.engines.torch import TorchEngine
from histotile.inference.model_metadata import CHECKPOINT
from histotile.io.features import read_features
from histotile.io.identity import check_same
from histotile.tasks.task import Task, value_columns
from histotile.training.job import FoldSlide, Machine, Run, places_of
from histotile.training.train_fold import train_fold

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

    Beside them `seconds`; `kept`: the epoch that was kept, or the L2 strength of a head;
    `gave_way`: whether a training that never bettered the probe it began with gave way to a probe;
    and `trains_layers`: whether more than a head learnt.

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
    trained = settings.trains_layers(decided[0])
    if not trained and all(s.features for s in tested):
        values = _from_features(model, chosen, tested)
    else:
        values = _from_pixels(model, chosen, settings, machine)
    found = judged_columns(chosen, patients, values, time.monotonic() - start)
    return found | {
        "kept": summary["best"]["step"],
        "gave_way": summary["instead_of"] is not None,
        "trains_layers": trained,
    }


def judged_columns(
    chosen: Selection,
    patients: NDArray[np.str_],
    values: NDArray[np.floating],
    seconds: float,
) -> dict[str, Any]:
    """What a comparison says: whose tiles, their labels, and the values of the task."""
    return {
        "slide_id": np.array(chosen.slide_ids)[chosen.slide],
        "patient_id": patients,
        "tile_id": chosen.tile_id,
        "label": chosen.label,
        **value_columns(chosen.task, values),
        "seconds": seconds,
    }


def _from_features(
    model: TrainedModel, chosen: Selection, tested: Sequence[FoldSlide]
) -> NDArray[np.float64]:
    layer = head(model.network)
    weight, bias = (p.detach().double().numpy() for p in (layer.weight, layer.bias))
    values = chosen_features(chosen, tested, model.architecture.stages)
    return model.task.activate(values @ weight.T + bias)


def chosen_features(
    chosen: Selection, slides: Sequence[FoldSlide], stages: Sequence[int]
) -> NDArray[np.float64]:
    """(N, D) cached features of tiles, stages side by side; no stage: the last one."""
    files = {s.slide_id: s.features for s in slides}
    found = []
    for number, slide_id in enumerate(chosen.slide_ids):
        path = files[slide_id]
        assert path is not None
        file = read_features(path)
        check_same(path, chosen.identities[number], file.facts["identity"])
        row_of = {int(tile): row for row, tile in enumerate(file.tile_ids)}
        rows = [row_of[int(tile)] for tile in chosen.tile_id[chosen.slide == number]]
        values = file.of_stages(stages or (len(file.stages),))[rows]
        found.append(values.astype(np.float64))
    return np.concatenate(found)


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
