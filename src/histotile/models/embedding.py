"""Pooled features of a slide's tiles, as HDF5 that other feature-based tools read too."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from histotile import __version__
from histotile.config import Backbone
from histotile.errors import HistotileError
from histotile.tables import read_footer, replacing
from histotile.tiles.read_ahead import ReadAhead

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Embedding:
    """Features of the tiles of one slide.

    `features` (N, D) float16 are the pooled features of the last stage, what the head sees;
    `coords` (N, 2) the tiles' top-left corners (level-0 px); `tile_ids` (N,) their rows in the
    tile table. `facts` say which backbone at which scale.
    """

    features: NDArray[np.float16]
    coords: NDArray[np.int32]
    tile_ids: NDArray[np.int32]
    facts: dict[str, Any]

    def write(self, path: Path) -> None:
        """HDF5 with `coords`, `features`, `tile_id`; facts as attributes. Whole or not at all.

        Features of other stages belong beside these, as `features_stage<k>`.
        """
        with replacing(path) as temporary, h5py.File(temporary, "w") as file:
            file.create_dataset("coords", data=self.coords)
            file.create_dataset("features", data=self.features)
            file.create_dataset("tile_id", data=self.tile_ids)
            for name, value in self.facts.items():
                file.attrs[name] = json.dumps(value) if isinstance(value, dict) else value


def read_embedding(path: Path) -> Embedding:
    """The embedding in an HDF5 file.

    Raises:
        HistotileError: The file is missing, cut short or of another make.
    """
    try:
        with h5py.File(path, "r") as file:
            facts = dict(file.attrs)
            facts["backbone"] = json.loads(facts["backbone"])
            return Embedding(file["features"][:], file["coords"][:], file["tile_id"][:], facts)
    except (OSError, KeyError, ValueError) as error:
        remedy = "make it again with `histotile embed`"
        raise HistotileError(path, f"no embedding of histotile ({error})", remedy) from error


def embed_slide(
    tiles: Path,
    backbone: Backbone,
    batch_size: int = 32,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Embedding:
    """Features of all tiles of a slide that are not excluded, by the backbone as it comes.

    Args:
        tiles: The slide's tile table; it says where the slide is.
        backbone: The network.
        batch_size: Tiles per pass; does not change the features.
        threads: Of the processor, for the network; None leaves PyTorch's choice.
        progress: Called with tiles done and tiles in all.
    """
    from histotile.engines.torch import TorchEngine
    from histotile.models.backbones import body_digest, build_network, head

    footer = read_footer(tiles)
    tile_px = int(footer["tile_px"])
    network, architecture = build_network(backbone, 2, tile_px)
    facts = {
        "histotile": __version__,
        "slide_id": str(footer["slide_id"]),
        "backbone": backbone.model_dump(),
        "backbone_id": body_digest(network),
        "mpp": float(footer["tile_mpp"]),
        "tile_px": tile_px,
    }
    if footer["size_level0_px"] is not None:  # null in the table of a slide that cannot be used
        facts["tile_size_level0_px"] = float(footer["size_level0_px"])
    features_of: Any = network
    width = head(network).in_features
    features_of.reset_classifier(0)
    engine = TorchEngine(features_of, architecture.mean, architecture.std, threads=threads)
    reader = ReadAhead(tiles, batch_size)
    features: list[NDArray[np.float16]] = [np.zeros((0, width), np.float16)]
    ids: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]
    for tile_ids, pixels in reader:
        features.append(engine(pixels).astype(np.float16))
        ids.append(tile_ids)
        if progress is not None:
            progress(sum(map(len, ids)), len(reader))
    tile_ids = np.concatenate(ids)
    kept = np.isin(reader.tile_ids, tile_ids)  # damaged tiles have no features
    coords = np.stack([reader.x[kept], reader.y[kept]], axis=1)
    return Embedding(np.concatenate(features), coords, tile_ids, facts)
