"""Learning curves: as a table, as a picture, and what they say about the fit."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from histotile.io.atomic import replacing, write_text
from histotile.stats.auroc import auroc, judged_classes


@dataclass(frozen=True)
class Point:
    """One step along a learning curve: an epoch of training, or an L2 strength of a linear head.

    `running_loss` is the mean loss of the training steps, with augmentation and changing weights;
    `train_loss` is measured afterwards on training tiles as they are. Losses are class-weighted
    cross-entropies (nats). None where there is nothing to measure.
    """

    step: float
    running_loss: float | None
    train_loss: float
    val_loss: float
    val_auroc: float | None


@dataclass(frozen=True)
class Diagnosis:
    """Whether the model fits, the relative gap between val and train loss, and what to try."""

    verdict: str
    gap: float
    reason: str
    remedies: tuple[str, ...]


REMEDIES = {
    ("underfit", "linear_probe"): (
        "a backbone trained on more similar images, or a larger one",
        "train.strategy: finetune",
    ),
    ("underfit", "early_probe"): (
        "a backbone trained on more similar images",
        "train.early_probe: retrain_tail",
        "train.strategy: retrain",
    ),
    ("underfit", "finetune"): (
        "more train.epochs, or a higher rate in train.finetune",
        "train.strategy: retrain",
        "lighter train.augment",
        "a larger backbone",
    ),
    ("underfit", "retrain"): (
        "more train.epochs, or a higher rate in train.retrain",
        "lighter train.augment",
        "a larger backbone",
    ),
    ("overfit", "linear_probe"): (
        "more patients",
        "embed.views: features of randomly changed copies",
        "fewer features: a smaller backbone",
    ),
    ("overfit", "early_probe"): (
        "more patients",
        "embed.views: features of randomly changed copies",
        "an earlier stage",
    ),
    ("overfit", "finetune"): (
        "more patients",
        "stronger train.augment",
        "a lower rate or layer_decay in train.finetune",
        "train.strategy: linear_probe",
    ),
    ("overfit", "retrain"): (
        "more patients",
        "stronger train.augment",
        "train.strategy: finetune or early_probe",
    ),
}


def mean_auroc(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float | None:
    """Area under the ROC curve of (N, C); mean of one-against-rest over the classes that occur.

    None where fewer than two classes occur.
    """
    present = np.unique(labels)
    if len(present) < 2:
        return None
    asked = judged_classes(2) if probabilities.shape[1] == 2 else present
    return float(np.mean([auroc(labels == c, probabilities[:, c]) for c in asked]))


def diagnose(
    curve: Sequence[Point], best: Point, classes: int, strategy: str, over_epochs: bool
) -> Diagnosis:
    """Underfit, overfit or good fit, from losses measured without augmentation.

    Args:
        curve: All points in order.
        best: The point that was kept.
        classes: Number of classes; log(classes) is the loss of guessing.
        strategy: What was trained.
        over_epochs: Whether the curve runs over epochs, so that its shape counts too.
    """
    gap = (best.val_loss - best.train_loss) / max(best.train_loss, 0.05)
    verdict, reason = _verdict(curve, best, math.log(classes), gap, over_epochs)
    return Diagnosis(verdict, gap, reason, REMEDIES.get((verdict, strategy), ()))


def _verdict(
    curve: Sequence[Point], best: Point, guessing: float, gap: float, over_epochs: bool
) -> tuple[str, str]:
    last = curve[-1]
    if best.train_loss > 0.9 * guessing:
        fact = f"even the training loss ({best.train_loss:.3f}) is near guessing ({guessing:.3f})"
        return "underfit", fact
    if over_epochs and last.val_loss > 1.05 * best.val_loss and last.train_loss < best.train_loss:
        return "overfit", "val loss rises again while train loss falls; the best epoch was kept"
    if gap > 0.5 and best.val_loss - best.train_loss > 0.1 * guessing:
        return "overfit", f"the loss on val is {gap:.0%} above that on train"
    if over_epochs and best is last and len(curve) > 1 and gap < 0.1 and best.step > 0:
        return "underfit", "the loss on val was still falling when the epochs ended"
    return "good fit", f"train and val agree (gap {gap:.0%}) and are well below guessing"


def write_curve(path: Path, curve: Sequence[Point]) -> None:
    """The points as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(Point)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(point) for point in curve)
    write_text(path, text.getvalue())


def draw_curve(path: Path, curve: Sequence[Point], best: Point, xlabel: str) -> None:
    """Loss on train and val, and AUROC on val, as SVG; the kept point is marked."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    loss, rank = figure.subplots(1, 2)
    steps = [p.step for p in curve]
    loss.plot(steps, [p.train_loss for p in curve], "o-", color="#0072B2", label="train, as is")
    loss.plot(steps, [p.val_loss for p in curve], "s--", color="#D55E00", label="val")
    if any(p.running_loss is not None for p in curve):
        running = [math.nan if p.running_loss is None else p.running_loss for p in curve]
        loss.plot(steps, running, ":", color="#555555", label="train, augmented")
    rank.plot(
        steps,
        [math.nan if p.val_auroc is None else p.val_auroc for p in curve],
        "s--",
        color="#D55E00",
        label="val",
    )
    for axes, name in ((loss, "cross-entropy (nats)"), (rank, "tile AUROC")):
        axes.axvline(best.step, color="#999999", linewidth=1, label="kept")
        axes.set(xlabel=xlabel, ylabel=name)
        if xlabel != "epoch":
            axes.set_xscale("log")
            axes.invert_xaxis()
        axes.legend(frameon=False)
    with rc_context({"svg.hashsalt": "histotile"}), replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
