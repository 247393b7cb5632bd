"""Whether the best trial is better than the settings in force, on what chose neither of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from histotile.stats.bootstrap import draw_weights, every_patient, interval
from histotile.strategy.entry import Estimate
from histotile.strategy.tuning.record import Gain, Repeat, Trial, Verdict

Doubles = NDArray[np.float64]


def patient_weights(patients: int, resamples: int, seed: int) -> Doubles:
    """(1 + resamples, patients): all as they are, then drawn with replacement."""
    plain = every_patient(np.arange(patients))
    return np.concatenate([plain, draw_weights([0] * patients, resamples, seed)])


def measure_gain(in_force: Doubles, best: Doubles, sizes: tuple[int, int], seed: int) -> Gain:
    """The paired difference with its interval, over resampled patients and repeats.

    The second lower end allows for the choice: whoever takes the best of many trials takes the one
    that suits these patients, and the comparison is on the same ones. It is Bonferroni's, by
    Student's t with one degree of freedom less than there are patients.

    Args:
        in_force: (R, 1 + B) scores of each repeat; the first as it is, then over resamples of
            patients, alike in both and in all repeats.
        best: The same of the best trial.
        sizes: Patients, and trials among which the best was chosen.
        seed: Of the resampled repeats.
    """
    from scipy.stats import t as student

    patients, trials = sizes
    difference = best - in_force
    repeats, draws = len(difference), difference.shape[1] - 1
    drawn = np.random.default_rng(seed).integers(repeats, size=(draws, repeats))
    resampled = difference[drawn, 1 + np.arange(draws)[:, None]].mean(axis=1)
    ends = interval(resampled, 0.95)
    value = float(difference[:, 0].mean())
    several, known = repeats > 1, resampled[np.isfinite(resampled)]
    reach = float(student.ppf(1 - 0.025 / trials, patients - 1) * known.std()) if len(known) else 0
    return Gain(
        difference=Estimate(value=value, low=ends.lower, high=ends.upper),
        low_of_chosen=None if ends.lower is None else min(value - reach, ends.lower),
        in_force=float(in_force[:, 0].mean()),
        best=float(best[:, 0].mean()),
        spread=float(in_force[:, 0].std(ddof=1)) if several else None,
        difference_spread=float(difference[:, 0].std(ddof=1)) if several else None,
    )


def judge(
    trials: Sequence[Trial], chosen: int | None, repeats: Sequence[Repeat], gain: Gain | None
) -> tuple[Verdict, list[str]]:
    """The verdict and the reasons, as sentences without a full stop.

    Args:
        trials: Of the search; the first is the settings in force.
        chosen: The best of the others; None: all of them failed.
        repeats: The comparison.
        gain: What it says; None: some of its trainings failed.
    """
    if len(trials) == 1:
        return "not known", ["tune.max_hours ended the search before another trial was made"]
    if chosen is None:
        return "not worth it", ["every trial but the settings in force failed"]
    if gain is None:
        failed = [t.reason for r in repeats for t in (r.in_force, r.best) if t.reason]
        return "not known", [_failed(trials[0], failed)]
    low, high = gain.difference.low, gain.difference.high
    said = f"trial {chosen} minus the settings in force: {gain.difference.value:+.3f}"
    if low is None or high is None:
        return "not known", [f"{said}; too few patients for an interval"]
    said += f", 95 % {low:+.3f} to {high:+.3f}, on {len(repeats)} fresh divisions and seeds"
    reasons = [said, *_told_by_search(trials, chosen), *_same_probe(repeats)]
    if low <= 0 or gain.low_of_chosen is None:
        told = "these patients show no gain for certain: leave the settings"
        return "not worth it", [*reasons, told]
    chosen_low = f"{gain.low_of_chosen:+.3f}"
    if gain.low_of_chosen > 0:
        told = f"the choice among {len(trials) - 1} trials allowed for, it is above {chosen_low}"
        return "worth it", [*reasons, told]
    told = (
        f"it was chosen among {len(trials) - 1} trials on the same patients, and that allowed for "
        f"its lower end is {chosen_low}: patients who had no part in the choice must tell"
    )
    return "perhaps", [*reasons, told]


def _failed(first: Trial, reasons: Sequence[str]) -> str:
    if first.reason:
        return f"the settings in force failed, so there is nothing to compare with: {first.reason}"
    return f"a training of the comparison failed: {reasons[0]}"


def _told_by_search(trials: Sequence[Trial], chosen: int) -> list[str]:
    score, first = trials[chosen].score, trials[0].score
    if score is None or first is None:
        return []
    if score <= first:
        return ["no trial of the search had a better score than the settings in force"]
    return [
        f"in the search it led by {score - first:+.3f}, which flatters: it is the best of "
        f"{len(trials)}, on the division that chose it"
    ]


def _same_probe(repeats: Sequence[Repeat]) -> list[str]:
    both = [trial for repeat in repeats for trial in (repeat.in_force, repeat.best)]
    folds = sum(len(trial.folds) for trial in both)
    gave_way = sum(trial.gave_way for trial in both)
    if not gave_way:
        return []
    return [
        f"{gave_way} of {folds} trainings of the comparison never bettered the probe they began "
        "with, whose score is counted there"
    ]
