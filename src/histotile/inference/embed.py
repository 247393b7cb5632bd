"""Features of a slide's tiles at every stage of a backbone, and of changed copies of the tiles."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile import __version__
from histotile.backbones.pretraining_domain import domain_of
from histotile.config import Augment, Backbone, Embed
from histotile.config import Engine as EngineSettings
from histotile.data.augmentation.augmentation import Augmentation
from histotile.data.perceptual_hash import SIDE, thumbnails
from histotile.data.prefetch import ReadAhead
from histotile.data.profiling.profiler import Profiler
from histotile.data.source import Tables
from histotile.inference.backbone_onnx import read_backbone
from histotile.inference.engines.engine import Engine
from histotile.inference.ensemble import batch_for, choose_engine, open_onnx, readers_for
from histotile.inference.onnx_metadata import torch_only
from histotile.io.features import FeatureFile, Half, Stage
from histotile.io.tile_spec import TileSpec, read_spec

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Embedder:
    """A backbone that gives the features of all its stages.

    Attributes:
        engine: (N, D): the stages' features side by side, shallow to deep.
        stages: What the columns are.
        backbone: The section it was made by.
        backbone_id: Names its weights.
        note: Why PyTorch runs it where another engine was to; "" if all is as wanted.
    """

    engine: Engine
    stages: tuple[Stage, ...]
    backbone: Backbone
    backbone_id: str
    note: str = ""

    def parted(
        self, batches: Sequence[Half], order: NDArray[np.intp]
    ) -> tuple[Half, tuple[Half, ...]]:
        """Features of the last stage, and of the earlier ones, with rows in this order."""
        ends = np.cumsum([stage.width for stage in self.stages])[:-1]
        *early, last = (part[order] for part in np.split(np.concatenate(batches), ends, axis=1))
        return last, tuple(early)


def torch_embedder(
    backbone: Backbone, tile_px: int, threads: int | None = None, note: str = ""
) -> Embedder:
    """The backbone by PyTorch, on a GPU where there is one.

    Raises:
        HistotileError: It cannot be built for tiles of this size.
    """
    from histotile.backbones.build import body_digest, build_network
    from histotile.backbones.stages import StageFeatures
    from histotile.inference.engines.torch import TorchEngine

    network, architecture = build_network(backbone, 2, tile_px)
    made_by = body_digest(network)
    staged = StageFeatures(network)
    engine = TorchEngine(staged, architecture.mean, architecture.std, threads=threads)
    return Embedder(engine, staged.stages, backbone, made_by, note)


def load_embedder(
    backbone: Backbone,
    tile_px: int,
    settings: EngineSettings,
    network: Path | None = None,
    threads: int | None = None,
) -> Embedder:
    """The backbone by the engine that fits this machine, always in 32-bit floats.

    Args:
        backbone: The network.
        tile_px: Size of the tiles.
        settings: Section `engine`.
        network: The file that `histotile backbone` wrote; without it PyTorch builds the network.
        threads: Of the processor, for the network; None leaves the engine's choice.

    Raises:
        HistotileError: The file is of another backbone or tile size, or the engine is missing.
    """
    name = choose_engine(settings.name)
    if network is None or name == "torch":
        return torch_embedder(backbone, tile_px, threads)
    facts = read_backbone(network, backbone, tile_px)
    if reason := torch_only(facts):
        return torch_embedder(backbone, tile_px, threads, f"PyTorch runs the backbone: {reason}")
    stages = tuple(Stage(**entry) for entry in facts["stages"])
    engine = open_onnx(network, name, threads)
    return Embedder(engine, stages, backbone, str(facts["backbone_id"]))


def embed_slide(
    tiles: Path,
    backbone: Backbone,
    settings: Embed,
    augment: Augment | None,
    batch_size: int | None = None,
    threads: int | None = None,
) -> FeatureFile:
    """Features of all tiles of one slide, by PyTorch; see `embed_slides`."""
    embedder = torch_embedder(backbone, read_spec(tiles).tile_px, threads)
    ((found, _),) = embed_slides([tiles], embedder, settings, augment, batch_size)
    return found


def embed_slides(
    tables: Tables,
    embedder: Embedder,
    settings: Embed,
    augment: Augment | None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[FeatureFile, Profiler]]:
    """Features of all tiles of slides that are not excluded, and where the time went.

    Pixels are read once, for the tiles and for their views. A slide without tiles has a file too,
    of no rows. Rows are in the order of tile_id.

    Args:
        tables: Tile tables of slides, or each with the place of its slide.
        embedder: The backbone, for tiles of their size.
        settings: How many views, and their seed.
        augment: What changes in a view; None where there are none.
        batch_size: Tiles per pass, which changes no result; None: what suits the engine.
        progress: Called with tiles done and tiles in all, of each slide.
    """
    size = batch_size or batch_for(embedder.engine)
    for reader in ReadAhead.over(tables, size, readers_for(embedder.engine)):
        spec = read_spec(reader.table)
        change = _Views(settings, augment, spec.tile_px, spec.slide_id)
        facts = _facts(spec, embedder, settings, augment)
        yield _embed(reader, embedder, change, facts, progress), reader.profiler


def _embed(
    reader: ReadAhead,
    embedder: Embedder,
    change: "_Views",
    facts: dict[str, Any],
    progress: Progress | None,
) -> FeatureFile:
    width = sum(stage.width for stage in embedder.stages)
    copies: list[list[Half]] = [[np.zeros((0, width), np.float16)] for _ in range(change.views + 1)]
    ids, small = [np.zeros(0, np.int32)], [np.zeros((0, SIDE, SIDE), np.uint8)]
    for tile_ids, pixels in reader:
        with reader.profiler.computing():
            copies[0].append(embedder.engine(pixels).astype(np.float16))
            for view in range(change.views):
                changed = change(pixels, tile_ids, view)
                copies[view + 1].append(embedder.engine(changed).astype(np.float16))
        ids.append(tile_ids)
        small.append(thumbnails(pixels))
        if progress is not None:
            progress(sum(map(len, ids)), len(reader))
    tile_ids = np.concatenate(ids)
    order = np.argsort(tile_ids)
    (features, early), *views = (embedder.parted(found, order) for found in copies)
    kept = np.isin(reader.tile_ids, tile_ids)  # damaged tiles have no features
    coords = np.stack([reader.x[kept], reader.y[kept]], axis=1)[order]
    shrunk = np.concatenate(small)[order]
    return FeatureFile(
        features, early, coords, tile_ids[order], shrunk, embedder.stages, facts, views
    )


class _Views:
    """Randomly changed copies of tiles, the same for a tile whatever batch it comes in."""

    def __init__(
        self, settings: Embed, augment: Augment | None, tile_px: int, slide_id: str
    ) -> None:
        self.views = settings.views
        self._entropy = (settings.seed % 2**32, zlib.crc32(slide_id.encode()))
        self._change = None
        if settings.views:
            assert augment is not None, "views change by it"
            self._change = Augmentation(augment, tile_px, settings.seed)

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


def _facts(
    spec: TileSpec, embedder: Embedder, settings: Embed, augment: Augment | None
) -> dict[str, Any]:
    facts = {
        "histotile": __version__,
        "slide_id": spec.slide_id,
        "identity": spec.identity,
        "backbone": embedder.backbone.model_dump(),
        "backbone_id": embedder.backbone_id,
        "domain": domain_of(embedder.backbone),
        "mpp": spec.tile_mpp,
        "tile_px": spec.tile_px,
        "view_seed": settings.seed,
    }
    if augment is not None and settings.views:
        facts["view_changes"] = augment.model_dump_json()
    if spec.size_level0_px is not None:  # None in the table of a slide that cannot be used
        facts["tile_size_level0_px"] = spec.size_level0_px
    return facts
