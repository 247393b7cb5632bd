"""What a reader must know before believing a number, as sentences for every report."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from histotile.evaluation.units import Patients, SlideTiles
from histotile.tasks.task import UNKNOWN, Task

_FEW_PATIENTS = 10  # per class; below it percentile intervals are known to be too narrow
_NAMED = 10  # slides named in one sentence
_MEASURES = {"auroc": "AUROC", "spearman": "Spearman"}
_POOR_CALLS = 0.15  # how far balanced accuracy may lag behind AUROC before a word is due


def caveats(
    slides: Sequence[SlideTiles],
    patients: Patients,
    rows: Sequence[Mapping[str, Any]],
    classes: Sequence[str],
    has_patients: bool,
) -> list[str]:
    """The warnings of an evaluation, most serious first; empty if there is nothing to warn of.

    Args:
        slides: The cohort.
        patients: Its patients.
        rows: Rows of the metrics.
        classes: Names in order.
        has_patients: Whether the cohort knows patients.
    """
    of_images = any(tiles.labels_source == "image" for tiles in slides)
    distinct = rows
    if len(patients.ids) == len(slides):  # one slide each: patients would repeat slides
        distinct = [row for row in rows if row["level"] != "patient"]
    return [
        *_about_patients(has_patients, of_images),
        *_about_numbers(slides, patients, classes, has_patients, of_images),
        *_about_labels(slides),
        *_about_slides(slides, of_images),
        *_about_folds(distinct),
        *_about_colour(distinct),
        *_about_calls(distinct),
    ]


def _about_patients(has_patients: bool, of_images: bool) -> list[str]:
    if has_patients:
        return []
    if of_images:
        return [
            "Patients are unknown: the tiles have no group, and leakage between tiles of one "
            "patient cannot be excluded."
        ]
    return [
        "The cohort has no patient_id: folds are disjoint by slide only, and leakage between "
        "slides of one patient cannot be excluded."
    ]


def _about_numbers(
    slides: Sequence[SlideTiles],
    patients: Patients,
    classes: Sequence[str],
    has_patients: bool,
    of_images: bool,
) -> list[str]:
    word = "patients" if has_patients else "groups" if of_images else "slides"
    counts = Counter(patients.labels)
    if of_images:  # a patient counts for every class its tiles have
        members = [np.concatenate([slides[i].labels for i in own]) for own in patients.members]
        counts = Counter(classes[c] for labels in members for c in np.unique(labels[labels >= 0]))
    few = [f"{counts[name]} of {name}" for name in classes if counts[name] < _FEW_PATIENTS]
    return [
        f"Few {word} per class ({', '.join(few)}): intervals are rough, and too narrow "
        f"rather than too wide."
        for _ in few[:1]
    ]


def _about_labels(slides: Sequence[SlideTiles]) -> list[str]:
    found = []
    labelled = [tiles for tiles in slides if (tiles.labels >= 0).any()]
    inherited = sum(tiles.labels_source == "slide" for tiles in labelled)
    if inherited:
        which = "all slides" if inherited == len(labelled) else f"{inherited} slides"
        found.append(
            f"Tile labels of {which} are inherited from the slide (weak labels): numbers at tile "
            f"level tell agreement with the slide's label, not with what the tile shows."
        )
    unlabelled = sum(int((tiles.labels < 0).sum()) for tiles in slides)
    total = sum(len(tiles.labels) for tiles in slides)
    if unlabelled:
        found.append(
            f"{unlabelled:,} of {total:,} tiles have no label; they count towards slide and "
            f"patient scores, not at tile level."
        )
    return found


def _about_slides(slides: Sequence[SlideTiles], of_images: bool) -> list[str]:
    empty = [t.slide.slide_id for t in slides if len(t.labels) == 0]
    unlabelled = [t.slide.slide_id for t in slides if t.slide.label is None]
    unpredicted = [
        t.slide.slide_id for t in slides if len(t.labels) and np.isnan(t.probabilities).any()
    ]
    no_label = "without a label, hence not in the numbers at slide level"
    if of_images:
        no_label = "with tiles of several classes, hence measured at tile level only"
    sentences = (
        (empty, "without tiles, hence without a score"),
        (unlabelled, no_label),
        (unpredicted, "with tiles that the network did not predict"),
    )
    unit = "group" if of_images else "slide"
    return [f"{_listed(names, unit)} {fact}." for names, fact in sentences if names]


def _listed(names: Sequence[str], unit: str) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    word = unit if len(names) == 1 else f"{unit}s"
    return f"{len(names)} {word} ({', '.join(names[:_NAMED])}{more})"


def _about_folds(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    skipped: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        is_auroc = row["metric"] == "auroc" and row["model"] == "network"
        if is_auroc and row["value"] is None and row["fold"].isdigit():
            skipped.setdefault((row["level"], row["note"]), []).append(row["fold"])
    return [
        f"At {level} level, fold {', '.join(folds)} defines no AUROC ({note})."
        for (level, note), folds in skipped.items()
    ]


def _about_colour(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"At {row['level']} level the network is not clearly better than colour alone: "
        f"{_MEASURES.get(name, name)} differs by {row['value']:+.3f} "
        f"[{row['lower']:+.3f}, {row['upper']:+.3f}]."
        for row in rows
        for name in [str(row["metric"]).removesuffix("_difference")]
        if name != row["metric"]
        and row["fold"] == "mean"
        and row["lower"] is not None
        and row["lower"] <= 0
    ]


def _about_calls(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Levels whose scores rank well while the class of the highest score is often wrong."""
    overall = {
        (row["level"], row["metric"]): row["value"]
        for row in rows
        if row["model"] == "network" and row["fold"] == "mean" and row["value"] is not None
    }
    found = []
    for (level, metric), ranked in overall.items():
        called = overall.get((level, "balanced_accuracy"))
        if metric == "auroc" and called is not None and ranked - called > _POOR_CALLS:
            found.append(
                f"At {level} level scores rank well (AUROC {ranked:.2f}) but the class of the "
                f"highest score is often wrong (balanced accuracy {called:.2f}): choose a "
                f"threshold on validation data before calling {level}s."
            )
    return found


def value_caveats(
    slides: Sequence[SlideTiles],
    patients: Patients,
    rows: Sequence[Mapping[str, Any]],
    task: Task,
    has_patients: bool,
) -> list[str]:
    """The same of a task without exclusive classes."""
    of_images = any(tiles.labels_source == "image" for tiles in slides)
    levels = {row["level"] for row in rows}
    found = _about_patients(has_patients, of_images)
    if len(patients.ids) < 2 * _FEW_PATIENTS:
        found.append(f"Few patients ({len(patients.ids)}): intervals are rough.")
    if "slide" not in levels:
        found.append("No slide has a label of its own: there are numbers at tile level alone.")
    elif task.kind == "regression" and any(t.slide.label is None for t in slides):
        found.append(
            "Slides without a number in the cohort file are compared with the mean of their tiles' "
            "labels, if aggregate.method is mean; else they are left out."
        )
    weak = sum(t.labels_source == "slide" for t in slides)
    if weak:
        found.append(
            f"Tile labels of {weak} slides are inherited from the slide (weak labels): numbers at "
            "tile level tell agreement with the slide's label, not with what the tile shows."
        )
    unlabelled = sum(int((task.stratum(t.labels) == UNKNOWN).sum()) for t in slides)
    if unlabelled:
        total = sum(len(t.labels) for t in slides)
        found.append(f"{unlabelled:,} of {total:,} tiles have no label.")
    return [*found, *_about_colour(rows)]
