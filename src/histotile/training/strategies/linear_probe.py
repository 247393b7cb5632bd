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
from histotile.tasks.probe import Features, Probe, fit_head, fit_probe, mean_head
from histotile.tasks.task import Task, score
from histotile.training.job import FoldTiles, Job, Outcome
from histotile.training.learning_curve import Point


def train_fixed(job: Job) -> Outcome:
    """The backbone as it comes under the head that predicts left-out patients best.

    Standardisation is folded into the head: the result is one ordinary network. The curve runs
    over L2 strengths, from strong to weak.

    Raises:
        HistotileError: Features are missing, or made by another backbone.
    """
    network, architecture = build_network(job.backbone, job.task.outputs, job.fold.train.tile_px)
    stages = (len(stages_of(network)),)
    fitted = choose_head(job, stages, body_digest(network))
    fitted.probe.fill(head(network))
    return fitted.outcome(network.eval(), architecture, stages)


class FittedHead:
    """A linear head, and the curve over L2 strengths that it was chosen from."""

    def __init__(self, probe: Probe, curve: Sequence[Point], copies: int) -> None:
        self.probe = probe
        self.curve = curve
        self.copies = copies

    def outcome(
        self, network: Any, architecture: Any, stages: tuple[int, ...], dropped: int = 0
    ) -> Outcome:
        """What a strategy gives back that puts this head into a network."""
        (best,) = (point for point in self.curve if point.step == self.probe.strengths[-1])
        losses = {f"{strength:g}": loss for strength, loss in self.probe.losses.items()}
        return Outcome(
            network=network,
            architecture=architecture,
            curve=self.curve,
            best=best,
            over_epochs=False,
            stages=stages,
            trained_weights=sum(p.numel() for p in head(network).parameters()),
            dropped_weights=dropped,
            facts={
                "l2_strength": list(self.probe.strengths),
                "inner_losses": losses,
                "views": self.copies,
                "lr": [],
                "planned_epochs": None,
            },
            cached=True,
        )


def choose_head(job: Job, stages: Sequence[int], made_by: str) -> FittedHead:
    """The linear head on cached features of some stages that predicts left-out patients best.

    It learns from the tiles of train and val alike: a probe needs no val to be stopped by. Views of
    the tiles teach it too, where the files have them; loss and strength are measured on unchanged
    tiles. The curve shows heads that train alone has taught, judged on
    val, over the strength of the deepest stage.

    Raises:
        HistotileError: Features are missing, or made by another backbone.
    """
    train, val = (
        cached_features(job.fold, some, made_by, stages) for some in (job.fold.train, job.fold.val)
    )
    balanced = job.settings.class_weights
    probe = fit_probe(job.task, train.joined(val), balanced, job.settings.seed)
    heads = _heads_of_train(job.task, train, balanced, probe.strengths)
    weights = job.task.weights(train.labels, balanced)
    as_is, judging = train.as_is(), val.as_is()
    curve = [
        _point(job.task, (strength, head), as_is, judging, weights)
        for strength, head in heads.items()
    ]
    return FittedHead(probe, curve, len(train.labels) // len(as_is.labels) - 1)


def _heads_of_train(
    task: Task, train: Features, balanced: bool, strengths: Sequence[float]
) -> dict[float, LinearHead]:
    """Heads for each strength of the deepest stage; the others keep theirs."""
    *parts, deepest = train.stages()
    others = [fit_head(task, p, balanced, s) for p, s in zip(parts, strengths, strict=False)]
    found = task.fit(deepest, balanced, STRENGTHS)
    return {strength: mean_head([*others, head]) for strength, head in found.items()}


def cached_features(
    fold: FoldTiles, selection: Selection, made_by: str, stages: Sequence[int]
) -> Features:
    """Features of the chosen tiles and of their views, from their slides' HDF5 files.

    Args:
        fold: Says where the files are.
        selection: Chosen tiles, of train or val.
        made_by: `body_digest` of the backbone that must have made them.
        stages: Which, side by side; 1 is the shallowest.

    Raises:
        HistotileError: A file is missing, of another backbone, or lacks chosen tiles.
    """
    files = {slide.slide_id: slide.features for slide in fold.slides}
    variants: list[list[NDArray[np.float16]]] = []
    widths: tuple[int, ...] = ()
    for number, slide_id in enumerate(selection.slide_ids):
        file = _opened(slide_id, files[slide_id], made_by, selection.identities[number])
        tile_ids = selection.tile_id[selection.slide == number]
        variants.append(_rows(file, files[slide_id], tile_ids, stages))
        widths = tuple(file.stages[stage - 1].width for stage in stages)
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
        widths,
    )


def _opened(
    slide_id: str, path: Path | None, made_by: str, identity: Identity | None
) -> FeatureFile:
    if path is None:
        raise HistotileError(slide_id, "has no features", "run `histotile embed` first")
    cached = read_features(path, views=True)
    check_same(path, identity, cached.facts["identity"])
    if cached.facts["backbone_id"] != made_by:
        fact = f"was made by backbone {cached.facts['backbone_id']}, training uses {made_by}"
        raise HistotileError(path, fact, "embed this slide again with the same backbone section")
    return cached


def _rows(
    cached: FeatureFile, path: Path | None, tile_ids: NDArray[np.int32], stages: Sequence[int]
) -> list[NDArray[np.float16]]:
    """Features of these tiles as they are, then of each view of them."""
    if not 1 <= min(stages) <= max(stages) <= len(cached.stages):
        fact = f"holds {len(cached.stages)} stages, stage {max(stages)} is asked for"
        raise HistotileError(str(path), fact, "embed this slide again, or decide again")
    row_of = {int(tile_id): row for row, tile_id in enumerate(cached.tile_ids)}
    try:
        rows = [row_of[int(tile_id)] for tile_id in tile_ids]
    except KeyError as error:
        fact = f"lacks tile {error}, which the tile table has"
        raise HistotileError(str(path), fact, "embed this slide again") from error
    return [cached.of_stages(stages, view)[rows] for view in (None, *range(len(cached.views)))]


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
