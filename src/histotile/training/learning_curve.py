"""Learning curves: as a line, a table, a picture, and in TensorBoard."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from histotile.io.atomic import replacing, write_text
from histotile.tasks.task import Task

X_OVER_EPOCHS, X_OF_HEADS = "epoch", "L2 strength"
_BARS = "▁▂▃▄▅▆▇█"
_SHOWN = 25  # bars of a line


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


def write_curve(path: Path, curve: Sequence[Point]) -> None:
    """The points as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(Point)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(point) for point in curve)
    write_text(path, text.getvalue())


def curve_line(curve: Sequence[Point], xlabel: str, score_name: str) -> str:
    """The newest point of a curve, and the way of its losses so far as little bars."""
    point = curve[-1]
    losses = [loss for p in curve for loss in (p.train_loss, p.val_loss) if math.isfinite(loss)]
    top = max(losses, default=1.0) or 1.0
    train, val = (
        "".join(_bar(loss / top) for loss in way[-_SHOWN:])
        for way in ([p.train_loss for p in curve], [p.val_loss for p in curve])
    )
    score = "" if point.val_score is None else f"  {score_name} on val {point.val_score:.3f}"
    losses_now = f"train {point.train_loss:#.3g} {train}  val {point.val_loss:#.3g} {val}"
    return f"{xlabel} {point.step:g}: loss on {losses_now}{score}"


def _bar(share: float) -> str:
    return _BARS[min(len(_BARS) - 1, int(share * len(_BARS)))] if math.isfinite(share) else "!"


def write_tensorboard(folder: Path, curve: Sequence[Point], told: str) -> None:
    """The points of a curve over L2 strengths, and what is told of the fit, for TensorBoard.

    Args:
        folder: Of its event files.
        curve: Empty where the training has logged it while it ran.
        told: In words.
    """
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for number, point in enumerate(curve):
            for name, value in asdict(point).items():
                if value is not None:
                    tag = "l2_strength" if name == "step" else name
                    writer.add_scalar(tag, value, number)
        writer.add_text("diagnosis", told)


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
        if xlabel == X_OF_HEADS:
            axes.set_xscale("log")
            axes.invert_xaxis()
        axes.legend(frameon=False)
    with rc_context({"svg.hashsalt": "histotile"}), replacing(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})
