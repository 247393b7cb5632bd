"""Probabilities of a slide's tiles by an ensemble of trained models."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.engines.engine import Engine
from histotile.engines.parity import TRIAL_TILES, Trial, hold_against
from histotile.engines.probabilities import mean_probabilities
from histotile.errors import HistotileError
from histotile.models.facts import ModelFacts
from histotile.models.members import Ensemble, batch_for, readers_for
from histotile.tables import read_footer
from histotile.tiles.pace import Pace
from histotile.tiles.read_ahead import Batch, ReadAhead

Progress = Callable[[int, int], None]
Judged = tuple[NDArray[np.int32], NDArray[np.float32]]


@dataclass(frozen=True)
class Prediction:
    """Probabilities of the tiles of one slide.

    `columns` are those of `tables.prediction_schema(classes)`: a row per tile that could be read,
    by tile_id; excluded tiles are not predicted. `facts` go into the footer of the table: slide,
    models, engine and numbers, and tiles found damaged. `pace` tells where the time went, which
    differs from run to run.
    """

    classes: tuple[str, ...]
    columns: dict[str, NDArray[Any]]
    facts: dict[str, Any]
    pace: Pace
    engine: Engine

    def timing(self) -> dict[str, Any]:
        """Where the time went, by which engine, and by which reader, ready for JSON."""
        return {**self.pace.facts(), **describe(self.engine)}


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
    tables: Sequence[Path],
    ensemble: Ensemble,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Iterator[Prediction]:
    """Mean over the ensemble of each model's softmax, for every tile that is not excluded.

    Pixels are read once, in batches, ahead of the network and across the border of slides; memory
    does not grow with a slide but for the probabilities themselves. 16-bit floats are used where a
    slide's first tiles allow it.

    Args:
        tables: Tile tables of slides; they say where the slides are.
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
    trial, first = _first_tiles(ensemble, full, batches, reader.pace)
    engines = ensemble.engines(trial.precision) if trial else full
    classes = ensemble.facts.classes
    ids: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]
    shares: list[NDArray[np.float32]] = [np.zeros((0, len(classes)), np.float32)]
    for tile_ids, probabilities in chain(first, _judged(engines, batches, reader.pace)):
        ids.append(tile_ids)
        shares.append(probabilities)
        if progress is not None:
            progress(sum(map(len, ids)), len(reader))
    tile_ids, probabilities = np.concatenate(ids), np.concatenate(shares)
    kept = np.isin(reader.tile_ids, tile_ids)
    columns: dict[str, NDArray[Any]] = {
        "tile_id": tile_ids,
        "x": reader.x[kept],
        "y": reader.y[kept],
    }
    columns |= {f"prob_{name}": probabilities[:, i] for i, name in enumerate(classes)}
    order = np.argsort(tile_ids)
    facts = {
        "slide_id": read_footer(reader.table)["slide_id"],
        "models": ensemble.model_ids,
        "classes": list(classes),
        "unreadable": sorted(reader.unreadable),
        "lost_share": _lost_share(reader),
        **describe(engines[0]),
        "precision": str(trial) if trial else engines[0].precision,
    }
    columns = {name: values[order] for name, values in columns.items()}
    return Prediction(classes, columns, facts, reader.pace, engines[0])


def _lost_share(reader: ReadAhead) -> float:
    """Share of the slide's tiles that could not be read, by `tile` or now."""
    excluded = read_footer(reader.table).get("counts", {}).get("excluded", {})
    before = int(excluded.get("unreadable", 0))
    total = len(reader) + before
    return round((len(reader.unreadable) + before) / total, 6) if total else 0.0


def _judged(engines: Sequence[Engine], batches: Iterator[Batch], pace: Pace) -> Iterator[Judged]:
    for tile_ids, pixels in batches:
        with pace.computing():
            found = mean_probabilities(engines, pixels)
        yield tile_ids, found


def _first_tiles(
    ensemble: Ensemble, full: Sequence[Engine], batches: Iterator[Batch], pace: Pace
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
    with pace.computing():
        pixels = [tiles for _, tiles in held]
        reduced = ensemble.engines(ensemble.reduced)
        trial, found = hold_against(full, reduced, pixels, ensemble.max_difference)
        if not trial.passed:
            found = [mean_probabilities(full, tiles) for tiles in pixels]
    return trial, [(ids, shares) for (ids, _), shares in zip(held, found, strict=True)]


def _check_scale(tiles: Path, model: ModelFacts) -> None:
    footer = read_footer(tiles)
    mpp, tile_px = float(footer["tile_mpp"]), int(footer["tile_px"])
    if abs(mpp / model.tile_mpp - 1) > 1e-3 or tile_px != model.tile_px:
        raise HistotileError(
            tiles,
            f"has tiles of {tile_px} px at {mpp:g} um/px; the model was trained on tiles of "
            f"{model.tile_px} px at {model.tile_mpp:g} um/px",
            f"tile the slide with tile_px {model.tile_px} and mpp {model.tile_mpp:g}",
        )
