"""Remembering the training patients, so that a trained model knows what it was not taught."""

import zlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from histotile.backbones.stages import WithFeatures
from histotile.data.sampling import read_rows, used_rows
from histotile.errors import HistotileError
from histotile.inference.engines.torch import TorchEngine
from histotile.io import tables
from histotile.io.arrow import floats
from histotile.io.features import read_features
from histotile.io.tile_spec import read_spec
from histotile.training.job import FoldSlide, Job, Outcome
from histotile.trust.fitting import Sample, fit_taught
from histotile.trust.looks import COLUMNS, tile_looks
from histotile.trust.taught import Taught

MOST_SLIDES, MOST_TILES = 512, 8192  # of the sample; more would change its figures little
_MOST, _LEAST = 64, 16  # tiles of a slide
_BATCH = 32

Part = tuple[NDArray[np.float32], NDArray[np.float64]]  # features and looks of a slide's tiles


def remember(job: Job, outcome: Outcome) -> tuple[Taught | None, str]:
    """What the trained network must carry, and "" or why it cannot.

    It goes by any tiles of the fold's patients that prediction would see, labelled or not.
    """
    slides = _some_slides(job)
    most = max(_LEAST, min(_MOST, MOST_TILES // len(slides)))
    try:
        parts = _read(slides, job, outcome, most)
    except (HistotileError, OSError) as error:  # hours of training are not lost for this
        return None, str(error)
    finally:  # the engine moved it; safetensors takes no other layout
        network: Any = outcome.network
        network.cpu().to(memory_format=torch.contiguous_format)
    sample = _sample(slides, parts, learnt=not outcome.cached)
    taught = fit_taught(sample, _mpps(slides)) if sample else None
    return taught, "" if taught else "the fold has too few patients with tiles"


def _some_slides(job: Job) -> list[FoldSlide]:
    slides = sorted(job.fold.slides, key=lambda slide: slide.slide_id)
    rng = np.random.default_rng(job.settings.seed % 2**32)
    chosen = rng.permutation(len(slides))[:MOST_SLIDES]
    return [slides[k] for k in sorted(chosen)]


def _read(slides: Sequence[FoldSlide], job: Job, outcome: Outcome, most: int) -> list[Part]:
    if outcome.cached:
        read = partial(_from_cache, stages=outcome.stages)
    else:
        mean, std = outcome.architecture.mean, outcome.architecture.std
        engine = TorchEngine(WithFeatures(outcome.network), mean, std)
        read = partial(_from_pixels, engine=engine)
    seed = job.settings.seed % 2**32
    rngs = [np.random.default_rng([seed, zlib.crc32(s.slide_id.encode())]) for s in slides]
    return [read(slide, rng, most) for slide, rng in zip(slides, rngs, strict=True)]


def _from_cache(
    slide: FoldSlide, rng: np.random.Generator, most: int, stages: Sequence[int]
) -> Part:
    assert slide.features is not None, "the head has learnt from them"
    file = read_features(slide.features)
    rows = _drawn(len(file.tile_ids), most, rng)
    features = file.of_stages(stages)[rows].astype(np.float32)
    return features, _looks(slide)[file.tile_ids[rows]]


def _from_pixels(
    slide: FoldSlide, rng: np.random.Generator, most: int, engine: TorchEngine
) -> Part:
    used = used_rows(slide.tiles)
    rows, pixels = read_rows(slide.tiles, used[_drawn(len(used), most, rng)], slide.slide)
    batches = [np.stack(pixels[n : n + _BATCH]) for n in range(0, len(pixels), _BATCH)]
    found = [engine.outputs(batch)[1] for batch in batches]
    features = np.concatenate(found) if found else np.zeros((0, 0), np.float32)
    return features, _looks(slide)[rows]


def _drawn(count: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.sort(rng.permutation(count)[:most])


def _looks(slide: FoldSlide) -> NDArray[np.float64]:
    table = tables.read_table(slide.tiles, list(COLUMNS))
    return tile_looks({name: floats(table[name]) for name in COLUMNS})


def _sample(slides: Sequence[FoldSlide], parts: Sequence[Part], learnt: bool) -> Sample | None:
    """All parts as one; None without a tile."""
    there = [number for number, (features, _) in enumerate(parts) if len(features)]
    if not there:
        return None
    counts = [len(parts[number][0]) for number in there]
    names = np.unique([slide.patient_id for slide in slides])
    owners = np.searchsorted(names, [slides[number].patient_id for number in there])
    roles = np.array([slides[number].role == "train" for number in there])
    looks = np.concatenate([parts[number][1] for number in there])
    return Sample(
        features=np.concatenate([parts[number][0] for number in there]),
        looks=looks if np.isfinite(looks).all() else None,
        slides=np.repeat(there, counts),
        patients=np.repeat(owners, counts),
        learnt=np.repeat(roles & learnt, counts),
    )


def _mpps(slides: Sequence[FoldSlide]) -> list[float]:
    """At level 0, of slides that have one."""
    found = [read_spec(slide.tiles).mpp for slide in slides]
    return [float(mpp) for mpp in found if mpp]
