"""A trained model as a timm folder: config.json and model.safetensors, ready for a model hub."""

import json
import tempfile
from pathlib import Path

import numpy as np
import timm
from numpy.typing import NDArray
from timm.data import resolve_model_data_config
from timm.models import save_for_hf

from histotile.inference.checkpoint import TrainedModel
from histotile.inference.engines.torch import TorchEngine
from histotile.io.atomic import write_text
from histotile.io.tables import RESEARCH_USE

FILES = ("model.safetensors", "config.json")


def write(model: TrainedModel, folder: Path) -> None:
    """The two files. `timm.create_model("local-dir:FOLDER", pretrained=True)` loads them.

    config.json also carries a section `histotile`: task, tile_mpp, tile_px, settings and what
    recognises slides unlike those taught on, so that the folder is enough to predict new slides.
    timm builds whole networks only: one that ends at an early stage cannot be written here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as temporary:
        _save(model, Path(temporary))
        for name in FILES:
            (Path(temporary) / name).replace(folder / name)


def reload(folder: Path, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits (N, C) of uint8 NHWC tiles by the folder alone, as timm loads it."""
    network = timm.create_model(f"local-dir:{folder}", pretrained=True)
    data = resolve_model_data_config(network)
    return TorchEngine(network, data["mean"], data["std"], device="cpu")(tiles)


def _save(model: TrainedModel, folder: Path) -> None:
    size = (3, model.tile_px, model.tile_px)
    save_for_hf(
        model.network,
        str(folder),
        safe_serialization=True,
        model_config={"label_names": list(model.classes)},
        model_args=model.architecture.arguments,
        data_config={
            "input_size": size,
            "mean": model.mean,
            "std": model.std,
            "crop_pct": 1.0,
            "interpolation": "bilinear",
        },
    )
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["histotile"] = {**model.metadata(), "notice": RESEARCH_USE}
    if not (module := type(model.network).__module__).startswith("timm."):
        config["histotile"]["import"] = module  # timm knows the network's name only with it
    write_text(path, json.dumps(config, indent=2, ensure_ascii=False) + "\n")
