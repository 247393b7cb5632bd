"""Pooled features of a slide's tiles, as HDF5 that other feature-based tools read too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile import __version__
from histotile.config import Backbone
from histotile.features import FeatureFile, Stage
from histotile.tables import read_footer
from histotile.tiles.read_ahead import ReadAhead

Progress = Callable[[int, int], None]


def embed_slide(
    tiles: Path,
    backbone: Backbone,
    batch_size: int = 32,
    threads: int | None = None,
    progress: Progress | None = None,
) -> FeatureFile:
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
    last = Stage(1, architecture.name, width, sum(p.numel() for p in features_of.parameters()))
    return FeatureFile(np.concatenate(features), (), coords, tile_ids, None, (last,), facts)
