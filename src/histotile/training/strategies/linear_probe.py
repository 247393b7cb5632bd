"""The strategy `linear_probe`: frozen backbone, linear head on its cached features. Seconds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.backbones.build import body_digest, build_network, head
from histotile.backbones.stages import stages_of
from histotile.data.selection import Selection
from histotile.errors import HistotileError
from histotile.io.features import FeatureFile, read_features
from histotile.io.identity import Identity, check_same
from histotile.stats.linear_head import LinearHead
from histotile.stats.logistic import STRENGTHS
from histotile.tasks.probe import Features, Probe, choose_strength
from histotile.tasks.task import Task, score
from histotile.training.job import FoldTiles, Job, Outcome
from histotile.training.learning_curve import Point


def train_fixed(job: Job) -> Outcome:
    """The backbone as it comes under the head that predicts left-out training patients best.

    Standardisation is folded into the head: the result is one ordinary network. The curve runs
    over L2 strengths, from strong to weak.

    Raises:
        HistotileError: Features are missing, or made by another backbone.
    """
    network, architecture = build_network(job.backbone, job.task.outputs, job.fold.train.tile_px)
    stage = len(stages_of(network))
    fitted = choose_head(job, stage, body_digest(network))
    fitted.probe.fill(head(network))
    return fitted.outcome(network.eval(), architecture, stage)


class FittedHead:
    """A linear head, and the curve over L2 strengths that it was chosen from."""

    def __init__(self, probe: Probe, curve: Sequence[Point], copies: int) -> None:
        self.probe = probe
        self.curve = curve
        self.copies = copies

    def outcome(self, network: Any, architecture: Any, stage: int, dropped: int = 0) -> Outcome:
        """What a strategy gives back that puts this head into a network."""
        (best,) = (point for point in self.curve if point.step == self.probe.strength)
        losses = {f"{strength:g}": loss for strength, loss in self.probe.losses.items()}
        return Outcome(
            network=network,
            architecture=architecture,
            curve=self.curve,
            best=best,
            over_epochs=False,
            stage=stage,
            trained_weights=sum(p.numel() for p in head(network).parameters()),
            dropped_weights=dropped,
            facts={
                "l2_strength": self.probe.strength,
                "inner_losses": losses,
                "views": self.copies,
                "lr": [],
                "planned_epochs": None,
            },
            cached=True,
        )


def choose_head(job: Job, stage: int, made_by: str) -> FittedHead:
    """The linear head on cached features of a stage that predicts left-out patients best.

    It learns from views of the training tiles too, where the files have them; loss and strength
    are measured on unchanged tiles.

    Raises:
        HistotileError: Features are missing, or made by another backbone.
    """
    train = cached_features(job.fold, job.fold.train, made_by, stage, views=True)
    val = cached_features(job.fold, job.fold.val, made_by, stage, views=False)
    balanced = job.settings.class_weights
    strength, losses = choose_strength(job.task, train, balanced, job.settings.seed)
    heads = job.task.fit(train, balanced, STRENGTHS)
    weights = job.task.weights(train.labels, balanced)
    as_is = train.as_is()
    curve = [
        _point(job.task, (strength, head), as_is, val, weights) for strength, head in heads.items()
    ]
    probe = Probe(heads[strength], strength, losses)
    return FittedHead(probe, curve, len(train.labels) // len(as_is.labels) - 1)


def cached_features(
    fold: FoldTiles, selection: Selection, made_by: str, stage: int, views: bool
) -> Features:
    """Features of the chosen tiles, from their slides' HDF5 files.

    Args:
        fold: Says where the files are.
        selection: Chosen tiles, of train or val.
        made_by: `body_digest` of the backbone that must have made them.
        stage: Which; 1 is the shallowest.
        views: Whether to add those of randomly changed copies.

    Raises:
        HistotileError: A file is missing, of another backbone, or lacks chosen tiles.
    """
    files = {slide.slide_id: slide.features for slide in fold.slides}
    variants = [
        _rows(
            _opened(slide_id, files[slide_id], made_by, views, selection.identities[number]),
            files[slide_id],
            selection.tile_id[selection.slide == number],
            stage,
        )
        for number, slide_id in enumerate(selection.slide_ids)
    ]
    copies = {len(found) for found in variants}
    if len(copies) > 1:
        fact = f"have {min(copies) - 1} to {max(copies) - 1} views"
        raise HistotileError("feature files", fact, "embed all slides again alike")
    # A selection lists its tiles slide by slide, as the concatenation does.
    values = [np.concatenate(of_slides) for of_slides in zip(*variants, strict=True)]
    times = len(values)
    return Features(
        np.concatenate(values),
        np.concatenate([selection.label] * times),
        np.tile(fold.patients(selection), times),
        np.repeat(np.arange(times) > 0, len(selection)) if times > 1 else None,
    )


def _opened(
    slide_id: str, path: Path | None, made_by: str, views: bool, identity: Identity | None
) -> FeatureFile:
    if path is None:
        raise HistotileError(slide_id, "has no features", "run `histotile embed` first")
    cached = read_features(path, views)
    check_same(path, identity, cached.facts["identity"])
    if cached.facts["backbone_id"] != made_by:
        fact = f"was made by backbone {cached.facts['backbone_id']}, training uses {made_by}"
        raise HistotileError(path, fact, "embed this slide again with the same backbone section")
    return cached


def _rows(
    cached: FeatureFile, path: Path | None, tile_ids: NDArray[np.int32], stage: int
) -> list[NDArray[np.float16]]:
    """Features of these tiles as they are, then of each view of them."""
    if not 1 <= stage <= len(cached.stages):
        fact = f"holds {len(cached.stages)} stages, stage {stage} is asked for"
        raise HistotileError(str(path), fact, "embed this slide again, or decide again")
    row_of = {int(tile_id): row for row, tile_id in enumerate(cached.tile_ids)}
    try:
        rows = [row_of[int(tile_id)] for tile_id in tile_ids]
    except KeyError as error:
        fact = f"lacks tile {error}, which the tile table has"
        raise HistotileError(str(path), fact, "embed this slide again") from error
    return [cached.of_stage(stage, view)[rows] for view in (None, *range(len(cached.views)))]


def _point(
    task: Task,
    fitted: tuple[float, LinearHead],
    train: Features,
    val: Features,
    weights: NDArray[np.float64],
) -> Point:
    strength, head = fitted
    logits = head.logits(val.values)
    return Point(
        step=strength,
        running_loss=None,
        train_loss=task.error(head.logits(train.values), train.labels, weights),
        val_loss=task.error(logits, val.labels, weights),
        val_score=score(task, task.activate(logits), val.labels),
    )
