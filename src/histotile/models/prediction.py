"""Probabilities of a slide's tiles by an ensemble of trained models."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.engines.torch import TorchEngine
from histotile.errors import HistotileError
from histotile.models.checkpoint import TrainedModel, check_agreement
from histotile.models.probe import softmax
from histotile.tables import read_footer
from histotile.tiles.read_ahead import ReadAhead

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Prediction:
    """Probabilities of the tiles of one slide.

    `columns` are those of `tables.prediction_schema(classes)`, one row per tile that could be read;
    excluded tiles are not predicted. `facts` go into the footer of the table: which models, tiles
    per second, the share of time spent waiting for tiles, and tiles found damaged.
    """

    classes: tuple[str, ...]
    columns: dict[str, NDArray[Any]]
    facts: dict[str, Any]


def predict_slide(
    tiles: Path,
    ensemble: Sequence[TrainedModel],
    batch_size: int = 32,
    threads: int | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Prediction:
    """Mean over the ensemble of each model's softmax, for every tile that is not excluded.

    Pixels are read once, in batches, ahead of the network; memory does not grow with the slide but
    for the probabilities themselves.

    Args:
        tiles: The slide's tile table; it says where the slide is.
        ensemble: At least one model; all of one training.
        batch_size: Tiles per pass; does not change the result.
        threads: Of the processor, for the network; None leaves PyTorch's choice.
        device: "auto" takes a GPU where there is one.
        progress: Called with tiles done and tiles in all.

    Raises:
        HistotileError: Tiles of another scale or size than the models', or models that disagree.
    """
    check_agreement(ensemble, [model.model_id for model in ensemble])
    classes = ensemble[0].classes
    _check_scale(tiles, ensemble[0])
    engines = [TorchEngine(m.network, m.mean, m.std, device, threads) for m in ensemble]
    reader = ReadAhead(tiles, batch_size)
    ids: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]
    shares: list[NDArray[np.float32]] = [np.zeros((0, len(classes)), np.float32)]
    start = time.monotonic()
    for tile_ids, pixels in reader:
        ids.append(tile_ids)
        shares.append(_mean_probabilities(engines, pixels))
        if progress is not None:
            progress(sum(map(len, ids)), len(reader))
    seconds = time.monotonic() - start
    tile_ids, probabilities = np.concatenate(ids), np.concatenate(shares)
    kept = np.isin(reader.tile_ids, tile_ids)
    columns = {"tile_id": tile_ids, "x": reader.x[kept], "y": reader.y[kept]}
    columns |= {f"prob_{name}": probabilities[:, i] for i, name in enumerate(classes)}
    facts = {
        "models": [model.model_id for model in ensemble],
        "classes": list(classes),
        "tiles_per_s": len(tile_ids) / seconds if len(tile_ids) else 0.0,
        "waiting_share": min(1.0, reader.waiting_s / seconds) if len(tile_ids) else 0.0,
        "unreadable": list(reader.unreadable),
        "device": str(engines[0].device),
    }
    return Prediction(classes, columns, facts)


def _mean_probabilities(
    engines: Sequence[TorchEngine], pixels: NDArray[np.uint8]
) -> NDArray[np.float32]:
    members = np.stack([softmax(engine(pixels)) for engine in engines])
    mean: NDArray[np.float32] = members.mean(axis=0).astype(np.float32)
    return mean


def _check_scale(tiles: Path, model: TrainedModel) -> None:
    footer = read_footer(tiles)
    mpp, tile_px = float(footer["tile_mpp"]), int(footer["tile_px"])
    if abs(mpp / model.tile_mpp - 1) > 1e-3 or tile_px != model.tile_px:
        raise HistotileError(
            tiles,
            f"has tiles of {tile_px} px at {mpp:g} um/px; the model was trained on tiles of "
            f"{model.tile_px} px at {model.tile_mpp:g} um/px",
            f"tile the slide with tile_px {model.tile_px} and mpp {model.tile_mpp:g}",
        )
