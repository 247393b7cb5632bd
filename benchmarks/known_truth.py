"""Synthetic cohorts whose right strategy of the table is known.

What `decide` sees of them, and what each strategy is worth on held-out patients. Used by sweep.py
and by tests; run alone it does nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn.functional import cross_entropy

from histotile.backbones.batch_norm import adapt
from histotile.backbones.build import Architecture, body_digest, build_network, head
from histotile.backbones.stages import StageFeatures
from histotile.config import Backbone, Config, Train
from histotile.config.yaml_file import read_config, read_synthetic
from histotile.inference.engines.torch import TorchEngine
from histotile.strategy.baselines.random_init import calibrate, random_twin
from histotile.strategy.evidence import Evidence
from histotile.synthetic.slides.tile_cohort import TileCohort, draw_tile_cohort
from histotile.tasks.binary import Binary
from histotile.tasks.probe import Features, fit_probe
from histotile.training.optimizer import make_optimizer, rate_factor

TILE_PX, TILES = 96, 12  # tiles of each slide
TUMOUR_SHARE = 0.3  # of the nuclei in a focus: no strategy solves it
BATCH = 32
SETTINGS = Path(__file__).parents[1] / "config" / "config.yaml"

Numbers = NDArray[np.int64]
Images = NDArray[np.uint8]


@cache
def settings() -> Config:
    """The shipped settings."""
    return read_config(SETTINGS)


def draw(patients: int, shift: float, seed: int, **changes: Any) -> TileCohort:
    """Half of the patients healthy; every tile of a diseased one shows tumour.

    Of an organ on which `shipped:histology` was taught.
    """
    asked: dict[str, Any] = {"slides": patients, "patients": patients, "shift": shift, "seed": seed}
    asked |= {"tumour_share": TUMOUR_SHARE, "artefact_rate": 0.0, "flavour": "tiff"}
    asked |= {"organ": "skin", "side_px": 2048, "patient_effect": 0.5, "site_effect": 0.5}
    standard = read_synthetic(SETTINGS.with_name("synthetic.yaml")).synthesize
    chosen = standard.model_copy(update={**asked, **changes})
    return draw_tile_cohort(chosen, TILES, TILE_PX, 1.0)


def some(cohort: TileCohort, per_class: slice) -> TileCohort:
    """The tiles of some patients of each class, in the order of their numbers."""
    diseased = np.unique(cohort.patients[cohort.labels == 1])
    healthy = np.setdiff1d(np.arange(len(cohort.patient_ids)), diseased)
    kept = np.sort(np.concatenate([healthy[per_class], diseased[per_class]]))
    rows = np.flatnonzero(np.isin(cohort.patients, kept))
    return replace(
        cohort,
        rgb=cohort.rgb[rows],
        labels=cohort.labels[rows],
        patients=np.searchsorted(kept, cohort.patients[rows]),
        sites=cohort.sites[rows],
        slides=np.unique(cohort.slides[rows], return_inverse=True)[1],
        coords=cohort.coords[rows],
        patient_ids=tuple(cohort.patient_ids[p] for p in kept),
    )


def shipped(name: str) -> Backbone:
    """A backbone made by this project: natural or histology."""
    return Backbone(name="auto", weights=f"shipped:{name}", domain="auto", options={})


def embed(
    network: nn.Module, architecture: Architecture, rgb: Images
) -> tuple[StageFeatures, list[NDArray[np.float16]]]:
    """The stages of a network, and features of tiles at each of them."""
    stages = StageFeatures(network)
    engine = TorchEngine(stages, architecture.mean, architecture.std, "cpu", threads=1)
    batches = [engine(rgb[k : k + 64]) for k in range(0, len(rgb), 64)]
    found = stages.of_stages(np.concatenate(batches))
    return stages, [np.asarray(values, np.float16) for values in found]


def evidence_of(tiles: TileCohort, backbone: Backbone) -> Evidence:
    """What `embed` and `baseline` would lay before `decide`."""
    network, architecture = build_network(backbone, 2, TILE_PX)
    stages, features = embed(network, architecture, tiles.rgb)
    twin = random_twin(network, architecture, settings().baseline.seed)
    engine = TorchEngine(StageFeatures(twin), architecture.mean, architecture.std, "cpu", threads=1)
    order = np.random.default_rng(0).permutation(len(tiles.rgb))[:512]
    calibrate(twin, engine, (tiles.rgb[part] for part in np.array_split(order, 8)))
    pixels = tiles.rgb.reshape(len(tiles.rgb), -1, 3).astype(np.float32)
    counts = np.zeros((len(tiles.patient_ids), 2), np.int64)
    np.add.at(counts, (tiles.patients, tiles.labels), 1)
    return Evidence(
        classes=("healthy", "tumour"),
        stages=stages.stages,
        features=tuple(features),
        random=tuple(embed(twin, architecture, tiles.rgb)[1]),
        labels=tiles.labels,
        patients=tiles.patients,
        sites=tiles.sites,
        slides=tiles.slides,
        colour=np.concatenate([pixels.mean(axis=1), pixels.std(axis=1)], axis=1),
        domain="natural",
        counts=counts,
        facts={
            "backbone": backbone.weights,
            "backbone_id": body_digest(network),
            "has_patients": True,
            "patient_ids": list(tiles.patient_ids),
        },
    )


def frozen_score(
    backbone: Backbone, train: TileCohort, test: TileCohort, stages: Sequence[int]
) -> float:  # stages count from 1
    """AUROC on the tiles of `test` of the mean of linear heads on some stages."""
    network, architecture = build_network(backbone, 2, TILE_PX)
    known = embed(network, architecture, train.rgb)[1]
    asked = embed(network, architecture, test.rgb)[1]
    each = [_probe(known[n - 1], train).head.logits(asked[n - 1]) for n in stages]
    logits = np.mean(each, axis=0)
    return float(roc_auc_score(test.labels, logits[:, 1] - logits[:, 0]))


def trained_score(
    backbone: Backbone, train: TileCohort, test: TileCohort, strategy: str, steps: int, seed: int
) -> float:
    """AUROC on the tiles of `test` of a network all of whose layers learnt.

    As the strategies do it, but for a set number of steps, without validation, and with no other
    augmentation than mirror images and quarter turns: rates, layer decay, head from a linear
    probe; batch norm kept (`finetune`) or estimated anew and learnt (`retrain`).
    """
    network, architecture = build_network(backbone, 2, TILE_PX)
    if strategy == "retrain":
        order = np.random.default_rng(seed).permutation(len(train.rgb))
        parts = np.array_split(order[:512], 8)

        def pass_through() -> None:
            for part in parts:
                with torch.inference_mode():
                    network(_tensor(train.rgb[part], architecture))

        adapt(network, pass_through)
    features = embed(network, architecture, train.rgb)[1][-1]
    _probe(features, train).fill(head(network))
    _learn(network, architecture, train, strategy, (steps, seed))
    engine = TorchEngine(network, architecture.mean, architecture.std, "cpu", threads=1)
    logits = np.concatenate([engine(test.rgb[k : k + 64]) for k in range(0, len(test.rgb), 64)])
    return float(roc_auc_score(test.labels, logits[:, 1] - logits[:, 0]))


def _probe(features: NDArray[np.float16], tiles: TileCohort) -> Any:
    groups = np.array(tiles.patient_ids)[tiles.patients]
    values = np.asarray(features, np.float32)
    return fit_probe(Binary(("healthy", "tumour")), Features(values, tiles.labels, groups), True, 0)


def _learn(
    network: nn.Module,
    architecture: Architecture,
    tiles: TileCohort,
    strategy: str,
    course: tuple[int, int],
) -> None:
    steps, seed = course
    recipes: Train = settings().train
    recipe = recipes.finetune if strategy == "finetune" else recipes.retrain
    optimizer = make_optimizer(network, recipe)
    peaks = [group["lr"] for group in optimizer.param_groups]
    labels, rng = torch.from_numpy(tiles.labels), np.random.default_rng(seed)
    network.train(strategy == "retrain")
    for step, rows in enumerate(_batches(rng, len(tiles.labels), steps)):
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * rate_factor(step, steps, recipe.warm_up)
        turned = np.rot90(tiles.rgb[rows], int(rng.integers(4)), axes=(1, 2))
        if rng.random() < 0.5:
            turned = turned[:, ::-1]
        optimizer.zero_grad()
        logits = network(_tensor(np.ascontiguousarray(turned), architecture))
        cross_entropy(logits, labels[rows]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    network.eval()


def _batches(rng: np.random.Generator, tiles: int, steps: int) -> Sequence[Numbers]:
    order: list[int] = []
    while len(order) < steps * BATCH:
        order += rng.permutation(tiles).tolist()
    return np.array(order[: steps * BATCH]).reshape(steps, BATCH)  # type: ignore[return-value]


def _tensor(rgb: Images, architecture: Architecture) -> torch.Tensor:
    pixels = torch.from_numpy(rgb).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (architecture.mean, architecture.std))
    return (pixels - mean) / std
