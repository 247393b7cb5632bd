"""What would change a decision, as sentences: the nearest thresholds on both axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from histotile.strategy.decision_table import choose
from histotile.strategy.effective_sample_size import count_patients
from histotile.strategy.probing.learnable import ways_out
from histotile.strategy.record import Similarity, Size, Strategy
from histotile.strategy.similarity_rule import counted

if TYPE_CHECKING:
    from histotile.config import Decide


def find_counterfactuals(
    size: Size, similarity: Similarity, settings: Decide, tile: str = "unknown"
) -> list[str]:
    """Sentences, each a change of the cohort or the backbone and the strategy it leads to.

    Changes that lead to the same strategy are left out. `tile`: side and scale of the tiles.
    """
    if similarity.basis == "nothing":
        return ways_out(similarity, tile)
    now = choose(size.counts_as, similarity).strategy
    found = []
    if similarity.basis == "pathology":
        return ["A backbone that was not pre-trained on pathology: similarity would be measured."]
    if similarity.basis == "foreign":
        return [
            "A backbone of which some stage does better than random weights: size and similarity "
            "would decide. One pre-trained on pathology -> linear_probe."
        ]
    if similarity.basis == "room":
        enough = settings.similarity.head_skill
        score = similarity.chance + enough * (1 - similarity.chance)
        top = max(stage.score.value for stage in similarity.stages)
        return [
            f"A backbone of which some stage reaches {score:.3f} {similarity.score_name} (now "
            f"{top:.3f}): size and similarity would decide. One pre-trained on pathology -> "
            "linear_probe.",
            "A budget that training exceeds (decide.max_hours) -> the head that suits the depth.",
        ]
    if similarity.basis == "saturated":
        limit = settings.similarity.saturated
        last = similarity.stages[-1].score.value
        now_at = f"{similarity.score_name} (now {last:.3f})"
        return [f"A harder task: the last stage below {limit:g} {now_at}."]
    other_size = "large" if size.counts_as == "small" else "small"
    there = choose(other_size, _asked(other_size, similarity)).strategy
    if there != now:
        found.append(f"{_size_change(size, similarity, settings)} -> {there}.")
    other = similarity.model_copy(
        update={"verdict": "different" if similarity.verdict == "similar" else "similar"}
    )
    there = choose(size.counts_as, other).strategy
    if size.verdict != "borderline":
        return found + _similarity_changes(similarity, settings, now, there)
    if size.counts_as == "small":  # it may also stay in its half, with another depth
        found += _similarity_changes(similarity, settings, now, there)
    return found + _gain_change(size, similarity, settings, now)


def _asked(counts_as: str, similarity: Similarity) -> Similarity:
    """The similarity of a cohort of another size, which another question decides."""
    if similarity.depth_sufficient is None:  # neither question has an answer
        return similarity
    vote = similarity.depth_sufficient if counts_as == "small" else similarity.gain_sufficient
    verdict = "different" if vote is False else "similar"
    return similarity.model_copy(update={"verdict": verdict})


def _size_change(size: Size, similarity: Similarity, settings: Decide) -> str:
    rule = settings.size
    gain = similarity.gain.value if similarity.gain else None
    neff, patients = rule.large_neff, rule.large_patients
    if counted("borderline", gain, settings.similarity) == "large":
        neff, patients = rule.small_neff, rule.small_patients
    scarce = min(size.classes, key=lambda c: (c.effective, c.patients))
    held = f"{count_patients(scarce.patients)} and {int(scarce.effective)} effective tiles"
    if size.counts_as == "large":
        return (
            f"Fewer than {patients} patients or {neff:g} effective tiles of some class "
            f"(now {held} of {scarce.name})"
        )
    text = f"At least {patients} patients and {neff:g} effective tiles of each class"
    if scarce.patients == 0:
        return f"{text} (now none of {scarce.name})"
    each = scarce.effective / scarce.patients
    needed = max(patients, math.ceil(neff / each))
    return (
        f"{text} (now {held} of {scarce.name}; at {each:.1f} effective tiles a patient that takes "
        f"{needed} patients)"
    )


def _gain_change(size: Size, similarity: Similarity, settings: Decide, now: Strategy) -> list[str]:
    """A borderline cohort goes to the other half with the gain of its last stage."""
    least = settings.similarity.min_gain_borderline
    if size.counts_as == "small":
        text = f"A last stage that gains at least {least:g} over random weights"
        there: Strategy = "finetune" if least >= settings.similarity.min_gain else "retrain"
    else:
        text = f"A last stage that gains less than {least:g} over random weights"
        there = choose("small", _asked("small", similarity)).strategy
    gain = "" if similarity.gain is None else f" (now {similarity.gain.value:.2f})"
    return [f"{text}{gain} -> {there}."] if there != now else []


def _similarity_changes(
    similarity: Similarity, settings: Decide, now: Strategy, there: Strategy
) -> list[str]:
    rule = settings.similarity
    if similarity.basis == "prior":
        return [
            f"At least {rule.min_patients} patients of each class and a 95 % interval of last "
            f"minus best stage of at most {rule.max_interval:g}: similarity would be measured"
            + (f", and may lead to {there}." if there != now else ".")
        ]
    if there == now:
        return []
    gain = "" if similarity.gain is None else f" (now {similarity.gain.value:.2f})"
    if now in {"finetune", "retrain"}:
        if similarity.verdict == "similar":
            return [f"A gain over random weights below {rule.min_gain:g}{gain} -> {there}."]
        return [
            f"A backbone that gains at least {rule.min_gain:g} over random weights{gain} -> "
            f"{there}."
        ]
    if similarity.verdict == "similar":
        return [
            f"An earlier stage within {rule.stage_tolerance:g} {similarity.score_name} of the "
            f"last one -> {there}."
        ]
    return [
        f"A backbone whose last stage is better than all others by {rule.stage_tolerance:g} "
        f"{similarity.score_name}, or one pre-trained on pathology -> {there}."
    ]
