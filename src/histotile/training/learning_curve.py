"""Learning curves: as a table, as a picture, and what they say about the fit."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from histotile.io.atomic import replacing, write_text
from histotile.tasks.task import Task


@dataclass(frozen=True)
class Point:
    """One step along a learning curve: an epoch of training, or an L2 strength of a linear head.

    `running_loss` is the mean loss of the training steps, with augmentation and changing weights;
    `train_loss` is measured afterwards on training tiles as they are. Losses and score
    are the task's. None where there is nothing to measure.
    """

    step: float
    running_loss: float | None
    train_loss: float
    val_loss: float
    val_score: float | None


@dataclass(frozen=True)
class Diagnosis:
    """Whether the model fits, the relative gap between val and train loss, and what to try."""

    verdict: str
    gap: float
    reason: str
    remedies: tuple[str, ...]


def kept_point(curve: Sequence[Point], by_loss: bool) -> Point:
    """The point whose weights a training keeps: its last one, or that of least loss on val.

    The first point, the probe that it began with, where the last one does not better its score on
    val. Not its loss, which also grows with the certainty of a network that ranks better.
    """
    if by_loss:
        return min(curve, key=lambda point: point.val_loss)
    start, last = curve[0], curve[-1]
    if not math.isfinite(last.val_loss):  # it diverged
        return start
    if start.val_score is None or last.val_score is None:
        return last if last.val_loss < start.val_loss else start
    return last if last.val_score > start.val_score else start


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


def diagnose(
    curve: Sequence[Point], best: Point, blind: float, strategy: str, over_epochs: bool
) -> Diagnosis:
    """Underfit, overfit or good fit, from losses measured without augmentation.

    Args:
        curve: All points in order.
        best: The point that was kept.
        blind: The loss of guessing.
        strategy: What was trained.
        over_epochs: Whether the curve runs over epochs, so that its shape counts too.
    """
    gap = (best.val_loss - best.train_loss) / max(best.train_loss, 0.05)
    verdict, reason = _verdict(curve, best, blind, gap, over_epochs)
    return Diagnosis(verdict, gap, reason, REMEDIES.get((verdict, strategy), ()))


def _verdict(
    curve: Sequence[Point], best: Point, guessing: float, gap: float, over_epochs: bool
) -> tuple[str, str]:
    last, least = curve[-1], min(curve, key=lambda point: point.val_loss)
    if best.train_loss > 0.9 * guessing:
        fact = f"even the training loss ({best.train_loss:.3f}) is near guessing ({guessing:.3f})"
        return "underfit", fact
    if over_epochs and last.val_loss > 1.05 * least.val_loss and last.train_loss < least.train_loss:
        return "overfit", f"val loss rises again while train loss falls; {_ranks(least, best)}"
    if gap > 0.5 and best.val_loss - best.train_loss > 0.1 * guessing:
        return "overfit", f"the loss on val is {gap:.0%} above that on train"
    if over_epochs and least is last and len(curve) > 1 and gap < 0.1 and best.step > 0:
        return "underfit", "the loss on val was still falling when the epochs ended"
    return "good fit", f"train and val agree (gap {gap:.0%}) and are well below guessing"


def _ranks(least: Point, kept: Point) -> str:
    """What became of the score on val since the point of least loss."""
    if kept is least:
        return "the best epoch was kept"
    if least.val_score is None or kept.val_score is None:
        return "the last epoch was kept"
    facts = f"{least.val_score:.3f} at the least loss, {kept.val_score:.3f} as kept"
    if kept.val_score >= least.val_score:
        return f"the score did not fall ({facts}): it grows too certain rather than wrong"
    return f"the score falls, too ({facts}): train.patience keeps the best epoch"


def write_curve(path: Path, curve: Sequence[Point]) -> None:
    """The points as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(Point)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(point) for point in curve)
    write_text(path, text.getvalue())


def draw_curve(path: Path, curve: Sequence[Point], best: Point, xlabel: str, task: Task) -> None:
    """Loss on train and val, and the task's score on val, as SVG; the kept point is marked."""
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
        [math.nan if p.val_score is None else p.val_score for p in curve],
        "s--",
        color="#D55E00",
        label="val",
    )
    for axes, name in ((loss, task.error_name), (rank, task.score_name)):
        axes.axvline(best.step, color="#999999", linewidth=1, label="kept")
        axes.set(xlabel=xlabel, ylabel=name)
        if xlabel != "epoch":
            axes.set_xscale("log")
            axes.invert_xaxis()
        axes.legend(frameon=False)
    with rc_context({"svg.hashsalt": "histotile"}), replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
