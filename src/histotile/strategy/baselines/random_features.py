"""The baseline of a cohort's backbone: the same network with random weights."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from histotile import __version__
from histotile.backbones.batch_norm import batch_norms
from histotile.backbones.build import body_digest, build_network
from histotile.backbones.pretraining_domain import domain_of
from histotile.backbones.stages import StageFeatures
from histotile.config import Backbone, Baseline
from histotile.data.augmentation.augmentation import unchanged
from histotile.data.dataset import TileDataset
from histotile.data.sampling import sample_labelled, spread
from histotile.data.selection import Selection
from histotile.errors import HistotileError
from histotile.inference.engines.torch import TorchEngine
from histotile.io.features import BaselineFile
from histotile.strategy.baselines.random_init import calibrate, random_twin
from histotile.tasks.task import Task

BATCH = 32  # tiles per pass; does not change the features
CALIBRATION = 512  # tiles for statistics of batch norm; 256 would do
_CACHE_BYTES = 512 << 20
_BATCH_PX = 64 * 224 * 224  # of a batch whose statistics are taken
_LEAST = 2  # tiles of which statistics can be taken

Progress = Callable[[int, int], None]
Rgb = NDArray[np.uint8]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class BaselineSlide:
    """A slide of the cohort, its patient, its tile table and, if known, where it is."""

    slide_id: str
    patient_id: str
    tiles: Path
    slide: Path | None = None


def measure_baseline(
    slides: Sequence[BaselineSlide],
    task: Task,
    backbone: Backbone,
    settings: Baseline,
    threads: int | None = None,
    progress: Progress | None = None,
) -> BaselineFile:
    """Features by random weights of a sample of the cohort.

    1. Sample labelled tiles, evenly over patients, strata (e.g. classes) and slides.
    2. Set the batch norm of the network's random twin to 512 of them.
    3. Features of all stages of the twin for the whole sample. A tile damaged since it was
       tabulated is left out.

    Args:
        slides: The cohort.
        task: What is learnt.
        backbone: The network.
        settings: Section `baseline`.
        threads: Of the processor, for the network.
        progress: Called with tiles done and tiles in all.

    Raises:
        HistotileError: Fewer than 2 labelled tiles; a network without intermediate maps.
    """
    patients = {slide.slide_id: slide.patient_id for slide in slides}
    sample = _sample(slides, patients, task, settings)
    network, architecture = build_network(backbone, 2, sample.tile_px)
    facts = _facts(sample, backbone, body_digest(network), settings)
    twin = random_twin(network, architecture, settings.seed)
    part = spread(sample, patients, CALIBRATION, settings.seed)
    first = len(part) if batch_norms(twin) else 0
    reading = _Reading(progress, first + len(sample))
    statistics = TileDataset(part, unchanged, _CACHE_BYTES)
    stages = StageFeatures(twin)
    engine = TorchEngine(stages, architecture.mean, architecture.std, threads=threads)
    calibrate(twin, engine, reading.mixed(statistics, settings.seed))
    rows, features = _features(engine, TileDataset(sample, unchanged), reading)
    *early, last = map(np.ascontiguousarray, stages.of_stages(features))
    facts["head_weights"] = [(stage.width + 1) * task.outputs for stage in stages.stages]
    slide_ids = np.array(sample.slide_ids)[sample.slide[rows]]
    tile_ids = sample.tile_id[rows]
    return BaselineFile(slide_ids, tile_ids, last, tuple(early), stages.stages, facts)


def _sample(
    slides: Sequence[BaselineSlide],
    patients: Mapping[str, str],
    task: Task,
    settings: Baseline,
) -> Selection:
    tables = {slide.slide_id: slide.tiles for slide in slides}
    places = {slide.slide_id: slide.slide for slide in slides if slide.slide}
    most, seed = settings.max_tiles, settings.seed
    sample = sample_labelled(tables, patients, task, most, seed, places)
    if len(sample) < _LEAST:
        fact = f"{len(sample)} labelled tile; statistics need {_LEAST} or more"
        raise HistotileError("baseline", fact, "label more tiles")
    return sample


def _facts(
    sample: Selection, backbone: Backbone, backbone_id: str, settings: Baseline
) -> dict[str, Any]:
    return {
        "histotile": __version__,
        "backbone": backbone.model_dump(),
        "backbone_id": backbone_id,
        "domain": domain_of(backbone),
        "seed": settings.seed,
        "mpp": sample.tile_mpp,
        "tile_px": sample.tile_px,
    }


class _Reading:
    """Batches of tiles, read in one thread and counted."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def in_order(self, data: TileDataset) -> Iterator[tuple[Rgb, Numbers]]:
        """Tiles (N, px, px, 3) in the order of the selection, and their numbers.

        In place of a damaged tile comes another one, with the other's number.
        """
        for start in range(0, len(data), BATCH):
            yield self._batch(data, np.arange(start, min(start + BATCH, len(data))))

    def mixed(self, data: TileDataset, seed: int) -> Iterator[Rgb]:
        """Batches drawn at random from all slides, as equal in size as can be, never one tile."""
        size = max(8, min(64, _BATCH_PX // data.selection.tile_px**2))
        order = np.random.default_rng(seed % 2**32).permutation(len(data))
        for numbers in np.array_split(order, max(1, len(data) // size)):
            yield self._batch(data, numbers)[0]

    def _batch(self, data: TileDataset, numbers: Numbers) -> tuple[Rgb, Numbers]:
        found = [data[int(number)] for number in numbers]
        tiles = torch.stack([pixels for pixels, _, _ in found]).permute(0, 2, 3, 1)
        self._done += len(numbers)
        if self._progress is not None:
            self._progress(self._done, self._total)
        return tiles.numpy(), np.array([number for _, _, number in found])


def _features(
    engine: TorchEngine, data: TileDataset, reading: _Reading
) -> tuple[Numbers, NDArray[np.float16]]:
    """Numbers of the readable tiles, (N,), and their features, (N, D)."""
    rows, features = [], []
    start = 0
    for tiles, numbers in reading.in_order(data):
        readable = numbers == np.arange(start, start + len(numbers))
        start += len(numbers)
        rows.append(numbers[readable])
        features.append(engine(tiles)[readable].astype(np.float16))
    return np.concatenate(rows), np.concatenate(features)
