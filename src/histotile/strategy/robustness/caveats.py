"""What a reader must know before he trusts a decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from histotile.strategy.leakage.shortcuts import find_shortcuts
from histotile.strategy.record import Similarity, Size

if TYPE_CHECKING:
    from histotile.config import Decide, Train
    from histotile.strategy.decision_table import Choice
    from histotile.strategy.evidence import Evidence

MEASURED_WEIGHTS = 2_200_000  # of the largest network in benchmarks/transfer.csv
FAR_LARGER = 4


def take_notes(
    evidence: Evidence,
    size: Size,
    similarity: Similarity,
    choice: Choice,
    train: Train,
    settings: Decide,
) -> list[str]:
    """Sentences about what is assumed, overruled, or thin."""
    found = _about_patients(evidence, size, settings)
    if size.icc_source == "prior":
        found.append(
            f"The likeness of tiles of a patient is assumed (ICC {size.icc:g}): too few patients "
            "with several tiles to measure it."
        )
    if size.verdict == "borderline":
        found.append(_about_border(size, similarity, settings))
    return [
        *found,
        *_about_similarity(similarity),
        *_about_network(evidence.stages[-1].weights, similarity),
        *_about_force(choice, train),
    ]


def _about_network(weights: int, similarity: Similarity) -> list[str]:
    if similarity.basis != "room" or weights <= FAR_LARGER * MEASURED_WEIGHTS:
        return []
    return [
        "That room pays for training was measured with convolutional networks of up to "
        f"{MEASURED_WEIGHTS / 1e6:.1f} million weights; this one has {weights / 1e6:.0f} million. "
        "verify.budget: full tells whether it holds here."
    ]


def _about_border(size: Size, similarity: Similarity, settings: Decide) -> str:
    if similarity.basis in {"pathology", "foreign", "room", "saturated", "nothing"}:
        return "The size is borderline, which changes nothing here: the features alone decide."
    gain = similarity.gain
    if gain is None:
        why = "nobody measured what its last stage gains over random weights"
    else:
        compared = "at least" if size.counts_as == "large" else "less than"
        least = settings.similarity.min_gain_borderline
        why = f"its last stage gains {gain.value:.2f} over random weights, {compared} {least:g}"
    return (
        f"The size is borderline. The cohort counts as {size.counts_as}, since {why} "
        "(decide.similarity.min_gain_borderline). Near a border it is worth the time to train all "
        "strategies and compare them (verify.budget: full)."
    )


def _about_patients(evidence: Evidence, size: Size, settings: Decide) -> list[str]:
    found = []
    if not evidence.facts["has_patients"]:
        found.append(
            "Patients are unknown: effective tiles are an upper bound, and leakage cannot be "
            "excluded."
        )
    absent = [c.name for c in size.classes if c.tiles == 0]
    if absent:
        found.append(f"No labelled tiles of {', '.join(absent)}: nothing is known about it.")
    few = [
        f"{c.name} {c.patients}"
        for c in size.classes
        if 0 < c.patients < settings.similarity.min_patients
    ]
    if few:
        found.append(
            f"Few patients ({', '.join(few)}): one more or less may change the decision; see the "
            "resampled cohorts."
        )
    return found


def _about_similarity(similarity: Similarity) -> list[str]:
    found = []
    if similarity.basis == "prior":
        found.append(
            "Similarity rests on experience, not on measured transfer: resampled cohorts that are "
            "small all share it."
        )
    if similarity.basis == "foreign":
        found.append(
            "All resampled cohorts share the verdict that the features are foreign: "
            "not their agreement but the interval of the gain tells how sure it is."
        )
    if similarity.basis == "pathology":
        found.append(
            "Backbones pre-trained on pathology keep a linear head whatever the size: it holds "
            "better in other laboratories."
        )
    return found


def _about_force(choice: Choice, train: Train) -> list[str]:
    if train.strategy in {"auto", choice.strategy}:
        return []
    return [f"train.strategy sets {train.strategy}; the table says {choice.strategy}."]


def shortcut_notes(
    evidence: Evidence, traits: Mapping[str, Mapping[str, str]], settings: Decide
) -> list[str]:
    """What is known of traits that may tell the label, where no alarm speaks of them."""
    return [
        shortcut.note(settings.alarms)
        for shortcut in find_shortcuts(evidence, traits, settings.seed)
        if shortcut.alarm(evidence.classes, settings.alarms) is None
    ]
