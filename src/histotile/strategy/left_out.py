"""What a decision does without: labelled tiles that are excluded, and patients who vanish so."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from histotile.io import tables
from histotile.io.ledger import WORDS, read_ledger
from histotile.strategy.context import ANY_LABEL, LeftOut
from histotile.tasks.task import UNKNOWN, Task

Reasons = dict[str, Counter[str]]  # stratum -> why a tile is excluded -> tiles


def find_left_out(
    cohort: Mapping[str, str], tiles: Path, folds: Iterable[Mapping[str, Any]], task: Task
) -> LeftOut:
    """Labelled tiles that are not used, tiles without label, and who vanishes by that.

    Slides of the fixed test set, which test in every fold, are left out knowingly.

    Args:
        cohort: slide_id -> patient_id of all slides, quarantined ones too.
        tiles: Folder of tile tables, {slide_id}.parquet.
        folds: Rows with the columns `tables.FOLDS`.
        task: What is learnt.
    """
    roles: dict[str, set[str]] = defaultdict(set)
    for row in folds:
        roles[str(row["slide_id"])].add(str(row["role"]))
    excluded: dict[str, Reasons] = defaultdict(lambda: defaultdict(Counter))
    used: dict[str, Counter[str]] = defaultdict(Counter)
    unlabelled: dict[str, Counter[str]] = defaultdict(Counter)
    gone: dict[str, list[str]] = defaultdict(list)
    for slide_id, patient in cohort.items():
        if slide_id not in roles:
            gone[patient].append(slide_id)
        elif roles[slide_id] != {"test"}:
            _count(tiles / f"{slide_id}.parquet", task, used[patient], excluded[patient])
            unlabelled[patient].update(_without_label(tiles / f"{slide_id}.parquet"))
    total: Reasons = defaultdict(Counter)
    for of_patient in excluded.values():
        for name, why in of_patient.items():
            total[name].update(why)
    tested = {p for s, p in cohort.items() if roles.get(s) == {"test"}}
    return LeftOut(
        tiles={name: dict(total[name]) for name in _names(task) if total[name]},
        unlabelled=dict(sum(unlabelled.values(), Counter())),
        slides=sorted(slide for slides in gone.values() for slide in slides),
        patients=[
            line
            for patient in dict.fromkeys(cohort.values())
            if patient not in tested
            for line in _vanished(
                patient, used[patient], excluded[patient], unlabelled[patient], gone[patient]
            )
        ],
    )


def _names(task: Task) -> tuple[str, ...]:
    """What tiles are counted by: classes, or all labels together where they are none."""
    return task.strata if task.is_exclusive else (ANY_LABEL,)


def _count(path: Path, task: Task, used: Counter[str], excluded: Reasons) -> None:
    table = tables.read_table(path, ["label", "excluded"])
    strata = task.stratum(task.labels(table["label"].to_pylist()))
    reasons = table["excluded"].to_pylist()
    for row in np.flatnonzero(strata != UNKNOWN):
        name = task.strata[strata[row]] if task.is_exclusive else ANY_LABEL
        why = reasons[row]
        if why is None:
            used[name] += 1
        else:
            excluded[name][WORDS.get(why, why)] += 1


def _without_label(path: Path) -> Counter[str]:
    entries = read_ledger(tables.read_footer(path))
    return Counter({e.reason: e.count for e in entries if e.kind == "labels" and e.count})


def _vanished(
    patient: str,
    used: Counter[str],
    excluded: Reasons,
    unlabelled: Counter[str],
    gone: Sequence[str],
) -> list[str]:
    """Sentences on a patient of whom no labelled tile is left, or none of a class."""
    if used:
        return [
            f"{patient} shows no {name} any more: {_excluded(why)}"
            for name, why in excluded.items()
            if not used[name] and why
        ]
    parts = [f"quarantined: {', '.join(gone)}"] if gone else []
    parts += [f"{name}: {_excluded(why)}" for name, why in excluded.items() if why]
    if unlabelled:
        parts.append(f"tiles without label: {_told(unlabelled)}")
    return [f"{patient} vanishes: {'; '.join(parts) or 'no tile has a label'}"]


def _excluded(why: Counter[str]) -> str:
    return f"all {sum(why.values())} labelled tiles are excluded ({_told(why)})"


def _told(why: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in why.most_common())
