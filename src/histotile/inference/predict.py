"""Values, e.g. probabilities, of a slide's tiles by an ensemble of trained models."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.data.prefetch import Batch, ReadAhead
from histotile.data.profiling.profiler import Profiler
from histotile.data.source import Tables
from histotile.errors import HistotileError
from histotile.inference.engines.engine import Engine
from histotile.inference.engines.judgement import Judgement, judge
from histotile.inference.engines.parity import TRIAL_TILES, Trial, hold_against
from histotile.inference.ensemble import Ensemble, batch_for, readers_for
from histotile.inference.model_metadata import ModelMetadata
from histotile.io.arrow import floats
from histotile.io.tables import read_table
from histotile.io.tile_spec import read_spec
from histotile.tasks.task import Task, value_columns
from histotile.trust.judging import Watch
from histotile.trust.looks import COLUMNS, tile_looks

Progress = Callable[[int, int], None]
Judged = tuple[NDArray[np.int32], Judgement]


@dataclass(frozen=True)
class Prediction:
    """What models say of the tiles of one slide.

    `columns` are those of `tables.prediction_schema(task.columns)`: a row per tile that could be
    read, by tile_id; excluded tiles are not predicted. `facts` go into the footer of the table:
    slide, models, engine and numbers, tiles found damaged, and `familiarity`: whether the slide is
    like those that the models were taught on (`trust.judging.Familiarity`). `profiler` tells where
    the time went, which differs from run to run.
    """

    task: Task
    columns: dict[str, NDArray[Any]]
    facts: dict[str, Any]
    profiler: Profiler
    engine: Engine

    def timing(self) -> dict[str, Any]:
        """Where the time went, by which engine, and by which reader, ready for JSON."""
        return {**self.profiler.facts(), **describe(self.engine)}


def describe(engine: Engine) -> dict[str, str]:
    """Engine, device and number format."""
    return {"engine": engine.name, "device": engine.device, "precision": engine.precision}


def predict_slide(
    tiles: Path, ensemble: Ensemble, batch_size: int | None = None, progress: Progress | None = None
) -> Prediction:
    """The prediction of one slide; see `predict_slides`."""
    (found,) = predict_slides([tiles], ensemble, batch_size, progress)
    return found


def predict_slides(
    tables: Tables,
    ensemble: Ensemble,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Prediction]:
    """Mean over the ensemble of each model's values, for every tile that is not excluded.

    Pixels are read once, in batches, ahead of the network and across the border of slides; memory
    does not grow with a slide but for the values themselves. 16-bit floats are used where a
    slide's first tiles allow it.

    Args:
        tables: Tile tables of slides, or each with the place of its slide.
        ensemble: Models of one training.
        batch_size: Tiles per pass, which changes no result; None: what suits the engine.
        progress: Called with tiles done and tiles in all, of each slide.

    Raises:
        HistotileError: Tiles of another scale or size than the models'.
    """
    for table in tables:
        _check_scale(table, ensemble.facts)
    engine = ensemble.engines()[0]
    size = batch_size or batch_for(engine)
    for reader in ReadAhead.over(tables, size, readers_for(engine)):
        yield _predict(reader, ensemble, progress)


def _predict(reader: ReadAhead, ensemble: Ensemble, progress: Progress | None) -> Prediction:
    batches, full = iter(reader), ensemble.engines()
    trial, first = _first_tiles(ensemble, full, batches, reader.profiler)
    engines = ensemble.engines(trial.precision) if trial else full
    task, watch = ensemble.facts.task, _watch(ensemble, reader)
    ids: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]
    values: list[NDArray[np.float32]] = [np.zeros((0, len(task.columns)), np.float32)]
    distances: list[NDArray[np.float32]] = [np.zeros(0, np.float32)]
    for tile_ids, judged in chain(first, _judged(engines, batches, reader.profiler, task)):
        ids.append(tile_ids)
        values.append(judged.values)
        with reader.profiler.computing():
            distances.append(watch.see(tile_ids, judged.features))
        if progress is not None:
            progress(sum(map(len, ids)), len(reader))
    found = (np.concatenate(ids), np.concatenate(values), np.concatenate(distances))
    columns = _columns(reader, task, *found)
    columns["familiarity"] = np.array(watch.flags(columns["distance"]), object)
    spec = read_spec(reader.table)
    familiarity = watch.slide(spec.mpp, columns["familiarity"].tolist())
    facts = {
        "slide_id": spec.slide_id,
        "identity": spec.identity,
        "models": ensemble.model_ids,
        **task.metadata(),
        "unreadable": sorted(reader.unreadable),
        "familiarity": familiarity.to_json(),
        "lost_share": _lost_share(reader),
        **describe(engines[0]),
        "precision": str(trial) if trial else engines[0].precision,
    }
    return Prediction(task, columns, facts, reader.profiler, engines[0])


def _lost_share(reader: ReadAhead) -> float:
    """Share of the slide's tiles that could not be read, by `tile` or now."""
    excluded = read_spec(reader.table).counts.get("excluded", {})
    before = int(excluded.get("unreadable", 0))
    total = len(reader) + before
    return round((len(reader.unreadable) + before) / total, 6) if total else 0.0


def _columns(
    reader: ReadAhead,
    task: Task,
    tile_ids: NDArray[np.int32],
    values: NDArray[np.float32],
    distances: NDArray[np.float32],
) -> dict[str, NDArray[Any]]:
    """By tile_id."""
    kept = np.isin(reader.tile_ids, tile_ids)
    columns: dict[str, NDArray[Any]] = {"tile_id": tile_ids}
    columns |= {"x": reader.x[kept], "y": reader.y[kept]}
    columns |= value_columns(task, values)
    columns["distance"] = distances
    order = np.argsort(tile_ids)
    return {name: column[order] for name, column in columns.items()}


def _judged(
    engines: Sequence[Engine], batches: Iterator[Batch], profiler: Profiler, task: Task
) -> Iterator[Judged]:
    for tile_ids, pixels in batches:
        with profiler.computing():
            found = judge(engines, pixels, task)
        yield tile_ids, found


def _watch(ensemble: Ensemble, reader: ReadAhead) -> Watch:
    """Who tells how far the tiles lie from those the models were taught on."""
    table = read_table(reader.table, list(COLUMNS))
    looks = tile_looks({name: floats(table[name]) for name in COLUMNS})
    taught = [member.facts.taught for member in ensemble.members]
    return Watch(taught, reader.tile_ids, looks[reader.tile_ids])


def _first_tiles(
    ensemble: Ensemble, full: Sequence[Engine], batches: Iterator[Batch], profiler: Profiler
) -> tuple[Trial | None, list[Judged]]:
    """The trial of 16-bit floats, where there are some, and what came of the tiles it took."""
    if ensemble.reduced is None:
        return None, []
    held: list[Batch] = []
    while sum(len(tile_ids) for tile_ids, _ in held) < TRIAL_TILES:
        batch = next(batches, None)
        if batch is None:
            break
        held.append(batch)
    if not held:
        return None, []
    with profiler.computing():
        pixels, task = [tiles for _, tiles in held], ensemble.facts.task
        reduced = ensemble.engines(ensemble.reduced)
        trial, found = hold_against(full, reduced, pixels, ensemble.max_difference, task)
        if not trial.passed:
            found = [judge(full, tiles, task) for tiles in pixels]
    return trial, [(ids, judged) for (ids, _), judged in zip(held, found, strict=True)]


def _check_scale(tiles: Path, model: ModelMetadata) -> None:
    spec = read_spec(tiles)
    mpp, tile_px = spec.tile_mpp, spec.tile_px
    if abs(mpp / model.tile_mpp - 1) > 1e-3 or tile_px != model.tile_px:
        raise HistotileError(
            tiles,
            f"has tiles of {tile_px} px at {mpp:g} um/px; the model was trained on tiles of "
            f"{model.tile_px} px at {model.tile_mpp:g} um/px",
            f"tile the slide with tile_px {model.tile_px} and mpp {model.tile_mpp:g}",
        )
