"""The strategy `fixed`: a frozen backbone, a logistic head on its cached features. Seconds."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histotile.config import Backbone, Train
from histotile.errors import HistotileError
from histotile.features import read_features
from histotile.models.backbones import body_digest, build_network, head
from histotile.models.curves import Point, auroc
from histotile.models.fold import FoldTiles, Outcome
from histotile.models.probe import (
    STRENGTHS,
    Features,
    Probe,
    class_weights,
    fit_at,
    fit_probe,
    log_loss,
    softmax,
)
from histotile.tiles.selection import Selection


def train_fixed(fold: FoldTiles, backbone: Backbone, settings: Train) -> Outcome:
    """The backbone as it comes under the head that predicts left-out training patients best.

    Standardisation is folded into the head: the result is one ordinary network. The curve runs
    over L2 strengths, from strong to weak.

    Raises:
        HistotileError: Features are missing, or made by another backbone.
    """
    classes = len(fold.train.classes)
    network, architecture = build_network(backbone, classes, fold.train.tile_px)
    made_by = body_digest(network)
    train = cached_features(fold, fold.train, made_by)
    val = cached_features(fold, fold.val, made_by)
    probe = fit_probe(train, classes, settings.class_weights, settings.seed)
    strengths = sorted({*STRENGTHS, probe.strength}, reverse=True)
    others = {s: fit_at(train, classes, settings.class_weights, s) for s in strengths}
    weights = class_weights(train.labels, classes, settings.class_weights)
    curve = [_point(others[s], train, val, weights) for s in strengths]
    probe.fill(head(network))
    return Outcome(
        network=network.eval(),
        architecture=architecture,
        curve=curve,
        best=curve[strengths.index(probe.strength)],
        trained_weights=sum(p.numel() for p in head(network).parameters()),
        facts={"l2_strength": probe.strength, "inner_losses": _named(probe.losses)},
    )


def cached_features(fold: FoldTiles, selection: Selection, made_by: str) -> Features:
    """Features of the chosen tiles, from their slides' HDF5 files.

    Args:
        fold: Says where the files are.
        selection: Chosen tiles, of train or val.
        made_by: `body_digest` of the backbone that must have made them.

    Raises:
        HistotileError: A file is missing, of another backbone, or lacks chosen tiles.
    """
    files = {slide.slide_id: slide.features for slide in fold.slides}
    values = [
        _rows(slide_id, files[slide_id], selection.tile_id[selection.slide == number], made_by)
        for number, slide_id in enumerate(selection.slide_ids)
    ]
    # A selection lists its tiles slide by slide, as the concatenation does.
    return Features(np.concatenate(values), selection.label, fold.patients(selection))


def _rows(
    slide_id: str, path: Path | None, tile_ids: NDArray[np.int32], made_by: str
) -> NDArray[np.float16]:
    if path is None:
        raise HistotileError(slide_id, "has no features", "run `histotile embed` first")
    cached = read_features(path)
    if cached.facts["backbone_id"] != made_by:
        fact = f"was made by backbone {cached.facts['backbone_id']}, training uses {made_by}"
        raise HistotileError(path, fact, "embed this slide again with the same backbone section")
    row_of = {int(tile_id): row for row, tile_id in enumerate(cached.tile_ids)}
    try:
        return cached.features[[row_of[int(tile_id)] for tile_id in tile_ids]]
    except KeyError as error:
        fact = f"lacks tile {error}, which the tile table has"
        raise HistotileError(path, fact, "embed this slide again") from error


def _point(probe: Probe, train: Features, val: Features, weights: NDArray[np.float64]) -> Point:
    logits = probe.logits(val.values)
    return Point(
        step=probe.strength,
        running_loss=None,
        train_loss=log_loss(probe.logits(train.values), train.labels, weights),
        val_loss=log_loss(logits, val.labels, weights),
        val_auroc=auroc(softmax(logits), val.labels),
    )


def _named(losses: dict[float, float]) -> dict[str, float]:
    return {f"{strength:g}": loss for strength, loss in losses.items()}
