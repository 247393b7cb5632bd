"""What becomes of a training of all layers that did not better the probe it began with."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from histotile.training.diagnosis import Diagnosis
from histotile.training.job import Job, Outcome


def probe_instead(job: Job, tried: Outcome, early: Sequence[int]) -> tuple[Job, Outcome] | None:
    """The probe that takes the place of a training whose score on val did not rise.

    The probe that `decide` found for the fold sees the better stages, and all tiles of train and
    val.

    Args:
        job: The training.
        tried: What came of it.
        early: Stages of `early_probe`, by the decision.

    Returns:
        None where an epoch improved, or the cached features, or a decision, are missing.
    """
    from histotile.training.strategies.early_probe import train_truncated

    if job.strategy not in {"finetune", "retrain"} or tried.best.step > 0:
        return None
    if not tried.primary or not early:
        return None
    if not all(slide.features and slide.features.is_file() for slide in job.fold.slides):
        return None
    probe = replace(job, strategy="early_probe", stages=tuple(early))
    return probe, train_truncated(probe)


def told(tried: Diagnosis, strategy: str, seconds: float) -> tuple[Diagnosis, dict[str, Any]]:
    """What the summary says of it: a diagnosis with reason and remedy, and what was tried."""
    hours = seconds / 3600
    reason = (
        f"{strategy} did not better the probe that it began with: the probe of the early "
        f"stages is used. {tried.reason}"
    )
    remedy = f"train.strategy: early_probe, which saves {hours:.2g} hours in this fold"
    found = replace(tried, reason=reason, remedies=(remedy, *tried.remedies))
    return found, {"strategy": strategy, "hours": hours}
