"""Features of a slide's tiles at every stage of a backbone, and of changed copies of the tiles."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile import __version__
from histotile.config import Augment, Backbone, Embed
from histotile.features import FeatureFile, Half
from histotile.models.domains import domain_of
from histotile.tables import read_footer
from histotile.tiles.augmentation import Augmentation
from histotile.tiles.fingerprint import dhash
from histotile.tiles.read_ahead import ReadAhead

Progress = Callable[[int, int], None]


def embed_slide(
    tiles: Path,
    backbone: Backbone,
    settings: Embed,
    augment: Augment,
    batch_size: int = 32,
    threads: int | None = None,
    progress: Progress | None = None,
) -> FeatureFile:
    """Features of all tiles of a slide that are not excluded, by the backbone as it comes.

    Pixels are read once, for the tiles and for their views. A slide without tiles has a file too,
    of no rows.

    Args:
        tiles: The slide's tile table; it says where the slide is.
        backbone: The network.
        settings: How many views, and their seed.
        augment: What changes in a view.
        batch_size: Tiles per pass; does not change the features.
        threads: Of the processor, for the network; None leaves PyTorch's choice.
        progress: Called with tiles done and tiles in all.
    """
    from histotile.engines.torch import TorchEngine
    from histotile.models.backbones import body_digest, build_network
    from histotile.models.stages import StageFeatures

    footer = read_footer(tiles)
    network, architecture = build_network(backbone, 2, int(footer["tile_px"]))
    facts = _facts(footer, backbone, body_digest(network), settings, augment)
    staged = StageFeatures(network)
    engine = TorchEngine(staged, architecture.mean, architecture.std, threads=threads)
    change = _Views(settings, augment, int(footer["tile_px"]), facts["slide_id"])
    width = sum(stage.width for stage in staged.stages)
    copies: list[list[Half]] = [[np.zeros((0, width), np.float16)] for _ in range(change.views + 1)]
    ids, hashes = [np.zeros(0, np.int32)], [np.zeros(0, np.uint64)]
    reader = ReadAhead(tiles, batch_size)
    for tile_ids, pixels in reader:
        copies[0].append(engine(pixels).astype(np.float16))
        for view in range(change.views):
            copies[view + 1].append(engine(change(pixels, tile_ids, view)).astype(np.float16))
        ids.append(tile_ids)
        hashes.append(dhash(pixels))
        if progress is not None:
            progress(sum(map(len, ids)), len(reader))
    (features, early), *views = (_parted(staged, found) for found in copies)
    tile_ids = np.concatenate(ids)
    kept = np.isin(reader.tile_ids, tile_ids)  # damaged tiles have no features
    coords = np.stack([reader.x[kept], reader.y[kept]], axis=1)
    return FeatureFile(
        features, early, coords, tile_ids, np.concatenate(hashes), staged.stages, facts, views
    )


class _Views:
    """Randomly changed copies of tiles, the same for a tile whatever batch it comes in."""

    def __init__(self, settings: Embed, augment: Augment, tile_px: int, slide_id: str) -> None:
        self.views = settings.views
        self._entropy = (settings.seed % 2**32, zlib.crc32(slide_id.encode()))
        self._change = Augmentation(augment, tile_px, settings.seed) if settings.views else None

    def __call__(
        self, pixels: NDArray[np.uint8], tile_ids: NDArray[np.int32], view: int
    ) -> NDArray[np.uint8]:
        """Copies (N, tile_px, tile_px, 3) of the tiles, changed as this view has them."""
        if self._change is None:
            raise IndexError(f"there is no view {view}")
        changed = np.empty_like(pixels)
        for tile_id, tile, into in zip(tile_ids.tolist(), pixels, changed, strict=True):
            seed = np.random.SeedSequence([*self._entropy, tile_id, view]).generate_state(1)[0]
            self._change.reseed(int(seed))
            into[:] = self._change(tile)
        return changed


def _parted(staged: Any, found: list[Half]) -> tuple[Half, tuple[Half, ...]]:
    """Features of the last stage, and of the earlier ones."""
    *early, last = map(np.ascontiguousarray, staged.of_stages(np.concatenate(found)))
    return last, tuple(early)


def _facts(
    footer: dict[str, Any], backbone: Backbone, digest: str, settings: Embed, augment: Augment
) -> dict[str, Any]:
    facts = {
        "histotile": __version__,
        "slide_id": str(footer["slide_id"]),
        "backbone": backbone.model_dump(),
        "backbone_id": digest,
        "domain": domain_of(backbone),
        "mpp": float(footer["tile_mpp"]),
        "tile_px": int(footer["tile_px"]),
        "view_seed": settings.seed,
    }
    if settings.views:
        facts["view_changes"] = augment.model_dump_json()
    if footer["size_level0_px"] is not None:  # null in the table of a slide that cannot be used
        facts["tile_size_level0_px"] = float(footer["size_level0_px"])
    return facts
