"""Every format a trained model can be written in: one file and one row here."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histotile.config import Export
from histotile.exports import onnx, timm_folder
from histotile.exports.parity import Omission, Parity, compare
from histotile.inference.checkpoint import TrainedModel
from histotile.io.atomic import write_json

Tiles = NDArray[np.uint8]


@dataclass(frozen=True)
class Format:
    """How to write a model into a folder, and how its own runtime turns tiles into logits.

    `cut_off`: whether it can hold a network that ends at an early stage.
    """

    write: Callable[[TrainedModel, Path], None]
    reload: Callable[[Path, Tiles], NDArray[np.float32]]
    cut_off: bool


FORMATS = {
    "timm": Format(timm_folder.write, timm_folder.reload, cut_off=False),
    "onnx": Format(onnx.write, onnx.reload, cut_off=True),
}


_WHOLE = "holds whole networks only; the head of this one sees stage {}"


def export_model(
    model: TrainedModel, folder: Path, tiles: Tiles, settings: Export
) -> Sequence[Parity | Omission]:
    """The model in each format asked for, in a folder of that name, and how well they agree.

    Writes parity.json beside the folders. A timm folder holds whole networks only: a model whose
    head sees early stages (strategy `early_probe`) goes out as ONNX, and parity.json says why the
    other folder is missing.

    Args:
        model: What to hand on.
        folder: Of this model's exports.
        tiles: Real tiles, uint8 RGB (N, tile_px, tile_px, 3), N at least 1.
        settings: Formats and tolerance.

    Raises:
        HistotileError: A format gives other probabilities than the model.
    """
    results: list[Parity | Omission] = []
    for name in settings.formats:
        if model.architecture.stages and not FORMATS[name].cut_off:
            shutil.rmtree(folder / name, ignore_errors=True)  # of an earlier, whole model
            results.append(
                Omission(name, _WHOLE.format(" and ".join(map(str, model.architecture.stages))))
            )
            continue
        FORMATS[name].write(model, folder / name)
        logits = FORMATS[name].reload(folder / name, tiles)
        results.append(compare(name, model, logits, tiles, settings.tolerance))
    report = {"model_id": model.model_id, "tolerance": settings.tolerance}
    write_json(folder / "parity.json", {**report, "formats": [vars(r) for r in results]})
    return results
