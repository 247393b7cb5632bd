"""The best trial and the settings in force, on divisions and seeds that chose neither of them."""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from histotile.config import Tune
from histotile.strategy.tuning.gain import measure_gain, patient_weights
from histotile.strategy.tuning.measure import Trainings, measure, weighted_scores
from histotile.strategy.tuning.record import Gain, Repeat, Trial
from histotile.strategy.tuning.search import recalled

if TYPE_CHECKING:
    from optuna.storages import JournalStorage

    from histotile.strategy.tuning.gain import Doubles

Tell = Callable[[str, Trial], None]


def compare_fresh(
    storage: "JournalStorage",
    name: str,
    best: tuple[Trial, int],
    trainings: Trainings,
    settings: Tune,
    tell: Tell,
) -> tuple[list[Repeat], Gain | None]:
    """Both on every repeat, and the gain; None where a training failed.

    Each outcome is kept in the journal, and taken from there after an interruption.

    Args:
        storage: The journal.
        name: Of the search.
        best: The trial that is held against the settings in force, and among how many it was
            chosen.
        trainings: Its divisions behind the first are those of the repeats.
        settings: Section `tune`.
        tell: Called with a label and each outcome.
    """
    chosen, chances = best
    resamples = (settings.bootstraps, settings.seed)
    weights = patient_weights(len(trainings.patients), *resamples)
    repeats, rows = [], []
    for repeat in range(1, settings.repeats + 1):
        pair = []
        for which, found in (("in force", {}), ("best", chosen.settings)):
            label = f"repeat {repeat} of {settings.repeats}, {which}"
            make = partial(_made, trainings, (found, repeat, label), weights)
            key = _key(trainings, found, repeat, resamples)
            pair.append(recalled(storage, f"{name} fresh", key, make))
            tell(label, Trial.model_validate(pair[-1]["trial"]))
        in_force, of_best = (Trial.model_validate(one["trial"]) for one in pair)
        repeats.append(Repeat(in_force=in_force, best=of_best))
        rows.append([one["scores"] for one in pair])
    if not all(scores for row in rows for scores in row):
        return repeats, None
    both = np.array(rows, np.float64)
    sizes = (len(trainings.patients), chances)
    return repeats, measure_gain(both[:, 0], both[:, 1], sizes, settings.seed)


def _made(
    trainings: Trainings,
    what: tuple[dict[str, Any], int, str],
    weights: "Doubles",
) -> dict[str, Any]:
    trial, said = measure(trainings, *what)
    if trial.reason:
        return {"trial": trial.model_dump(), "scores": []}
    scores = weighted_scores(trainings.task, said, trainings.patients, weights)
    known = [None if np.isnan(s) else float(f"{s:.9g}") for s in scores.tolist()]
    return {"trial": trial.model_dump(), "scores": known}


def _key(trainings: Trainings, found: Any, repeat: int, resamples: Any) -> str:
    roles = [[s.slide_id, s.role] for fold in trainings.divisions[repeat] for s in fold]
    text = json.dumps([found, repeat, roles, resamples], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def same_parts(trainings: Trainings) -> list[str]:
    """The sentence on repeats whose division is no other than that of the search, if any is so."""
    search, *repeats = (
        {frozenset(s.slide_id for s in part if s.role == "test") for part in division}
        for division in trainings.divisions
    )
    same = sum(parts == search for parts in repeats)
    if not same:
        return []
    return [
        f"{same} of {len(repeats)} repeats test the same parts as the search, since these patients "
        "can hardly be divided otherwise: of them the seeds alone are fresh"
    ]
