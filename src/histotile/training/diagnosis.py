"""What a learning curve says of the fit, why, and what to try next."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from histotile.tasks.task import UNKNOWN
from histotile.training.learning_curve import Point


@dataclass(frozen=True)
class Diagnosis:
    """Whether the model fits, the relative gap between val and train loss, and what to try."""

    verdict: str
    gap: float
    reason: str
    remedies: tuple[str, ...]


class _Finding(NamedTuple):
    """A verdict, its reason, and what its own cause asks for before or after all else."""

    verdict: str
    reason: str
    remedies: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


_LONGER = "more train.epochs, or a higher rate in train.{section}: histotile find-lr"
_LIGHTER = "lighter train.augment"
_STRONGER = "stronger train.augment, or mixup, dropout and weight decay in train.{section}"
_SLOWER = "a lower rate in train.{section}: histotile find-lr suggests one"
_LABELS = "check the labels: histotile label-errors, and whether tiles show what they are called"
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
    ("underfit", "retrain_tail"): (
        _LONGER,
        "train.strategy: finetune or retrain",
        _LIGHTER,
        "a larger backbone",
    ),
    ("underfit", "finetune"): (_LONGER, "train.strategy: retrain", _LIGHTER, "a larger backbone"),
    ("underfit", "retrain"): (_LONGER, _LIGHTER, "a larger backbone"),
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
    ("overfit", "retrain_tail"): (
        "more patients",
        _STRONGER,
        "a lower rate or layer_decay in train.{section}",
        "train.early_probe: truncate",
    ),
    ("overfit", "finetune"): (
        "more patients",
        _STRONGER,
        "a lower rate or layer_decay in train.{section}",
        "train.strategy: linear_probe",
    ),
    ("overfit", "retrain"): (
        "more patients",
        _STRONGER,
        "train.strategy: finetune or early_probe",
    ),
}


def diagnose(
    curve: Sequence[Point],
    best: Point,
    blind: float,
    strategy: str,
    section: str | None = None,
    comparable: bool = True,
) -> Diagnosis:
    """Underfit, overfit or good fit, from losses measured without augmentation.

    Args:
        curve: All points in order.
        best: The point that was kept.
        blind: The loss of guessing.
        strategy: What was trained.
        section: That its recipe has below `train`, where layers learn: the curve then runs over
            epochs, and its shape counts too. None: a head was fitted.
        comparable: Whether the loss of the training steps differs from that on tiles as they are by
            augmentation alone.
    """
    over_epochs = section is not None
    gap = (best.val_loss - best.train_loss) / max(best.train_loss, 0.07 * blind)
    found = _leaps(curve, blind) if over_epochs else None
    found = found or _by_heart(curve, blind)
    change = _price_of_change(best) if comparable else 0.0
    found = found or _verdict(curve, best, blind, gap, change, over_epochs)
    learnt = "retrain_tail" if strategy == "early_probe" and over_epochs else strategy
    remedies = (*found.remedies, *REMEDIES.get((found.verdict, learnt), ()), *found.after)
    named = dict.fromkeys(remedy.format(section=section) for remedy in remedies)
    return Diagnosis(found.verdict, gap, found.reason, tuple(named))


def _leaps(curve: Sequence[Point], guessing: float) -> _Finding | None:
    """Whether steps were too long: the loss on train leapt up or never fell, to the end."""
    first, *later = (point.train_loss for point in curve)
    if not later:
        return None
    passed = [p.running_loss for p in curve if p.running_loss is not None]
    highest = max((*later, *passed), key=lambda loss: loss if math.isfinite(loss) else math.inf)
    ceiling = max(first, guessing)
    if not math.isfinite(highest):
        return _Finding("underfit", "the training loss became infinite", (_SLOWER,))
    never_fell = min(later) > 0.98 * first and later[-1] > 1.02 * ceiling
    if later[-1] > 0.7 * guessing and (highest > 1.5 * ceiling or never_fell):
        fact = f"the training loss rose from {first:.3g} to {highest:.3g}: the steps are too long"
        return _Finding("underfit", fact, (_SLOWER,))
    return None


def _by_heart(curve: Sequence[Point], guessing: float) -> _Finding | None:
    """Whether train was learnt and val is no better than guessing, at any point."""
    learnt, judged = min(p.train_loss for p in curve), min(p.val_loss for p in curve)
    if learnt > 0.7 * guessing or judged < 0.97 * guessing:
        return None
    fact = f"train was learnt by heart (loss {learnt:.3g}); on val no point betters guessing"
    return _Finding("overfit", f"{fact} ({guessing:.3g})", (_LABELS,))


def _verdict(
    curve: Sequence[Point],
    best: Point,
    guessing: float,
    gap: float,
    change: float,
    over_epochs: bool,
) -> _Finding:
    last, least = curve[-1], min(curve, key=lambda point: point.val_loss)
    if best.train_loss > 0.9 * guessing:
        fact = f"even the training loss ({best.train_loss:.3g}) is near guessing ({guessing:.3g})"
        if change > 0.1 * guessing:
            return _Finding("underfit", fact, (_LIGHTER,))
        return _Finding("underfit", fact, after=(_LABELS,))
    risen = last.val_loss - least.val_loss > max(0.05 * least.val_loss, 0.05 * guessing)
    if over_epochs and risen and last.train_loss < least.train_loss:
        fact = f"val loss rises again while train loss falls; {_ranks(least, best)}"
        return _Finding("overfit", fact)
    if gap > 0.5 and best.val_loss - best.train_loss > 0.1 * guessing:
        return _Finding("overfit", f"the loss on val is {gap:.0%} above that on train")
    if change > 0.25 * guessing and best.train_loss > 0.25 * guessing:
        fact = f"changed tiles cost {change:.3g} more than the same tiles as they are"
        return _Finding("underfit", f"augmentation is too heavy: {fact}", (_LIGHTER,))
    if over_epochs and best.step > 0 and _falls(curve, guessing) and gap < 0.1:
        return _Finding("underfit", "the loss on val was still falling when the epochs ended")
    return _Finding("good fit", f"train and val agree (gap {gap:.0%}) and are well below guessing")


def _price_of_change(point: Point) -> float:
    """How much higher the loss is on augmented training tiles than on them as they are."""
    return point.running_loss - point.train_loss if point.running_loss is not None else 0.0


def _falls(curve: Sequence[Point], guessing: float) -> bool:
    """Whether val fell visibly over the last tenth of the epochs, and at its end is least."""
    losses = [point.val_loss for point in curve]
    before = losses[max(0, len(losses) - 1 - max(1, len(losses) // 10))]
    return losses[-1] == min(losses) and before - losses[-1] > 0.02 * guessing


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


def independent_samples(strata: NDArray[Any], patients: NDArray[Any], icc: float | None) -> float:
    """What the tiles are worth as independent ones: m / (1 + (m - 1) icc) of a patient and stratum.

    Args:
        strata: (N,) of the training tiles.
        patients: (N,) of the training tiles.
        icc: Likeness of a patient's tiles (Kish's design effect); None: not measured, and each
            patient counts once in each stratum, which is the least.
    """
    rho = 1.0 if icc is None else icc
    known = strata != UNKNOWN
    _, patient = np.unique(patients, return_inverse=True)
    _, tiles = np.unique(np.stack([patient, strata])[:, known], axis=1, return_counts=True)
    return float((tiles / (1 + (tiles - 1) * rho)).sum())
