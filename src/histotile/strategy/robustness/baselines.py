"""Numbers beside the decision that tell whether it can be trusted.

Each asks what else than the tissue, or than the pre-training, may explain the scores: colour alone,
a network that has learnt nothing, the site a slide came from, the number of patients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from histotile.stats import bootstrap
from histotile.stats.crossvalidation import Floats, Integers, Plan, divide, leave_site_out
from histotile.stats.logistic import Single
from histotile.strategy.entry import Estimate
from histotile.strategy.leakage.shortcuts import site_shortcut
from histotile.strategy.probing.linear_probe import components, hold_out
from histotile.strategy.probing.task_probe import hold_out_task
from histotile.strategy.probing.transferability import NEIGHBOURS, neighbours
from histotile.strategy.record import Baseline
from histotile.strategy.similarity_rule import estimate

if TYPE_CHECKING:
    from histotile.config import Decide
    from histotile.strategy.evidence import Evidence
    from histotile.strategy.feature_similarity import Judgement

CLIMBS = 0.005  # AUROC from half of the patients to all, for more to be worth having
SHARES = (0.25, 0.5, 0.75)  # of the patients, on the way to all of them


def measure(evidence: Evidence, settings: Decide, judgement: Judgement) -> list[Baseline]:
    """What can be measured of: colour, random weights, site, robustness, leave-site-out, patients.

    Args:
        evidence: Sampled tiles and their features.
        settings: Folds, repeats, resamples, seed.
        judgement: Similarity of the same evidence; its folds and probes are used again.
    """
    points = components(evidence.features[-1], settings.seed)
    weights = _weights(evidence.patients, settings)
    found = _random(judgement)
    if judgement.plan is not None:
        last = judgement.stages[-1].scores(weights)
        assert judgement.colour is not None
        found.insert(0, _colour(judgement.colour.scores(weights), last))
        found.append(_learning_curve(evidence, points, judgement.plan, (last, weights), settings))
    if evidence.sites is not None and len(np.unique(evidence.sites)) > 1:
        of_sites = (
            site_probe(evidence, settings),
            _robustness(evidence, evidence.sites, points, weights),
            _leave_site_out(evidence, evidence.sites, points, weights),
        )
        found += [baseline for baseline in of_sites if baseline is not None]
    return found


def _weights(patients: Integers, settings: Decide) -> Floats:
    """(1 + B, P): every patient once, then the resamples that similarity uses too."""
    drawn = bootstrap.resamples(patients, settings.bootstraps, settings.seed)
    return np.concatenate([bootstrap.every_patient(patients), drawn])


def _colour(found: Floats, last: Floats) -> Baseline:
    ahead = last - found
    meaning = "Mean and spread of red, green and blue alone, on the same folds. "
    if ahead[0] <= np.nanstd(ahead[1:], ddof=1):
        meaning += "The last stage adds nothing certain to it."
    else:
        meaning += f"The last stage lies {ahead[0]:.3f} above it."
    return Baseline(name="colour", score=_estimated(found), meaning=meaning)


def _random(judgement: Judgement) -> list[Baseline]:
    rows = [stage for stage in judgement.similarity.stages if stage.random_score is not None]
    if not rows:
        return []
    best = max(rows, key=lambda row: row.random_score.value if row.random_score else -1.0)
    assert best.random_score is not None
    meaning = (
        f"The same network with random weights, at its best stage ({best.stage}, {best.name}): "
        "what needs no pre-training."
    )
    return [Baseline(name="random weights", score=best.random_score, meaning=meaning)]


def site_probe(evidence: Evidence, settings: Decide) -> Baseline | None:
    """How well the site of unseen patients can be read from the last stage.

    Sites with fewer than two patients are left out; None with fewer than two sites.
    """
    if evidence.sites is None:
        return None
    every = np.unique(evidence.sites)
    patients = [len(np.unique(evidence.patients[evidence.sites == s])) for s in every]
    kept = every[np.array(patients) >= 2]
    rows = np.isin(evidence.sites, kept)
    if len(kept) < 2:
        return None
    labels = np.searchsorted(kept, evidence.sites[rows])
    times = (settings.folds, settings.repeats)
    plan = divide(labels, evidence.patients[rows], len(kept), times, settings.seed)
    if plan is None:
        return None
    points = components(evidence.features[-1][rows], settings.seed)
    found = hold_out(points, plan).scores(_weights(plan.patients, settings))
    if not np.isfinite(found[0]):
        return None
    meaning = (
        f"The site ({len(kept)} of them) read from the last stage, patients left out: 0.5 is "
        f"none of it. {_with_label(evidence, settings)}"
    )
    return Baseline(name="site", score=_estimated(found), meaning=meaning)


def _with_label(evidence: Evidence, settings: Decide) -> str:
    """Whether a high value is of any harm, as far as is known."""
    shortcut = site_shortcut(evidence, settings.seed)
    if shortcut is None:
        return "All patients known have one label: nothing can go with the site."
    if shortcut.alarm(evidence.classes, settings.alarms) is not None:
        return "A high value is dangerous here: see the alarm on sites and labels."
    safe = shortcut.is_harmless(settings.alarms)
    known = shortcut.note(settings.alarms)
    return f"{known} A high value is harmless {'then' if safe else 'only if they do not'}."


def _robustness(
    evidence: Evidence, sites: Integers, points: Single, weights: Floats
) -> Baseline | None:
    """Share of neighbours alike by class, not site, among those alike by one of the two.

    After the robustness index of PathoROB (arXiv 2507.17845), with neighbours of other patients.
    """
    nearest = neighbours(points, evidence.patients, NEIGHBOURS)
    known = nearest >= 0
    same_class = evidence.labels[nearest] == evidence.labels[:, None]
    same_site = sites[nearest] == sites[:, None]
    tissue = (same_class & ~same_site & known).sum(1)
    origin = (~same_class & same_site & known).sum(1)
    patients = weights.shape[1]
    good = weights @ np.bincount(evidence.patients, tissue, patients)
    bad = weights @ np.bincount(evidence.patients, origin, patients)
    index = np.divide(good, good + bad, out=np.full(len(good), np.nan), where=good + bad > 0)
    if not np.isfinite(index[0]):
        return None
    meaning = (
        "Of the nearest tiles of other patients that share either class or site with a tile, the "
        "part that shares the class: 1 is robust, below 0.5 the site outweighs the class."
    )
    return Baseline(name="robustness", score=_estimated(index), meaning=meaning)


def _leave_site_out(
    evidence: Evidence, sites: Integers, points: Single, weights: Floats
) -> Baseline | None:
    plan = leave_site_out(evidence.labels, evidence.patients, sites, len(evidence.classes))
    if plan is None:
        return None
    found = hold_out_task(points, plan, evidence).scores(weights)
    if not np.isfinite(found[0]):
        return None
    meaning = f"The last stage on sites it was not taught by, mean over {plan.folds} sites."
    return Baseline(name="leave-site-out", score=_estimated(found), meaning=meaning)


def _learning_curve(
    evidence: Evidence,
    points: Single,
    plan: Plan,
    scored: tuple[Floats, Floats],
    settings: Decide,
) -> Baseline:
    """What more patients still add to the last stage; `scored`: by all, at which weights."""
    whole, weights = scored
    steps = [
        hold_out_task(points, plan.thinned(share, settings.seed), evidence).scores(weights)
        for share in SHARES
    ]
    climb = whole - steps[1]
    error = float(np.nanstd(climb[1:], ddof=1))
    climbs = bool(climb[0] > max(error, CLIMBS))
    names = [f"{share:.0%}" for share in (*SHARES, 1.0)]
    curve = ", ".join(
        f"{name} {found[0]:.3f}" for name, found in zip(names, [*steps, whole], strict=True)
    )
    meaning = (
        f"{evidence.score_name} the last stage gains from 50 % to all of the patients ({curve}): "
        + ("data-limited, more patients would help." if climbs else "no longer climbing.")
    )
    score = _estimated(climb)
    return Baseline(name="learning curve", score=score, meaning=meaning)


def _estimated(found: Floats) -> Estimate:
    return estimate(float(found[0]), found[1:])
