"""Evidence, gathered from feature files, the baseline file, tile tables and the fold table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.data.selection import read_labels
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.io.features import BaselineFile, Half, read_baseline, read_features
from histotile.io.identity import check_same
from histotile.io.tile_spec import read_spec
from histotile.strategy.evidence import Evidence
from histotile.tasks.groups import group_labels
from histotile.tasks.registry import check_task
from histotile.tasks.task import Labels, Task

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class _SlideRows:
    """What one slide gives: S sampled tiles, and counts of all its labelled tiles."""

    kept: NDArray[np.int64]  # (S,) rows of the baseline file
    features: tuple[Half, ...]
    labels: Labels
    colour: NDArray[np.float32]
    every: Labels  # of all labelled tiles in use


def gather_evidence(
    features: Path,
    baseline: Path,
    tiles: Path,
    folds: Rows,
    task: Task,
    has_patients: bool,
) -> Evidence:
    """What a decision about this cohort rests on.

    The sample is that of the baseline file. Slides of the fixed test set, which test in every fold,
    give neither tiles nor counts; sampled tiles that a feature file lacks are left out.

    Args:
        features: Folder of feature files, {slide_id}.h5.
        baseline: The baseline file.
        tiles: Folder of tile tables, {slide_id}.parquet.
        folds: Rows with the columns `tables.FOLDS`.
        task: What is learnt.
        has_patients: Whether patient_id is real; else slides stand for patients.

    Raises:
        HistotileError: A file is missing or broken; features and baseline are of different
            backbones.
    """
    against = read_baseline(baseline)
    slides = _teaching_slides(folds)
    names = list(slides)
    patient_ids, patient_of = _number([slides[name]["patient_id"] for name in names])
    site_names, site_of = _number([slides[name]["site"] or "" for name in names])
    found = [_read_slide(features, tiles, name, against, task) for name in names]
    sizes = [len(rows.kept) for rows in found]
    kept = np.concatenate([rows.kept for rows in found])
    truth, patients = np.concatenate([rows.labels for rows in found]), np.repeat(patient_of, sizes)
    classes, labels, counts = _grouped(task, found, patient_of)
    return Evidence(
        classes=classes,
        stages=against.stages,
        features=tuple(map(np.concatenate, zip(*(rows.features for rows in found), strict=True))),
        random=tuple(against.of_stage(stage.number)[kept] for stage in against.stages),
        labels=labels,
        patients=patients,
        sites=np.repeat(site_of, sizes) if site_names != [""] else None,
        slides=np.repeat(np.arange(len(names)), sizes),
        colour=np.concatenate([rows.colour for rows in found]),
        domain=against.facts["domain"],
        counts=counts,
        facts={
            "backbone": _name(against.facts["backbone"]),
            "backbone_id": against.facts["backbone_id"],
            "has_patients": has_patients,
            "patient_ids": patient_ids,
            "slide_ids": names,
            "site_names": site_names,
            "tile": _scale(against.facts),
        },
        task=task,
        truth=None if task.is_exclusive else truth,
    )


def _grouped(
    task: Task, found: Sequence[_SlideRows], patient_of: NDArray[np.int64]
) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.int64]]:
    """Names of groups, the group of each sampled tile, and (P, groups) counts of all tiles."""
    every = np.concatenate([rows.every for rows in found])
    owners = np.repeat(patient_of, [len(rows.every) for rows in found])
    sampled = np.concatenate([rows.labels for rows in found])
    of_sampled = np.repeat(patient_of, [len(rows.labels) for rows in found])
    names, numbers = group_labels(
        task, np.concatenate([every, sampled]), np.concatenate([owners, of_sampled])
    )
    counts = np.zeros((int(patient_of.max()) + 1, len(names)), np.int64)
    np.add.at(counts, (owners, numbers[: len(every)]), 1)
    return names, numbers[len(every) :], counts


def patients_of_folds(folds: Rows, evidence: Evidence) -> dict[str, set[int]]:
    """Fold -> numbers of the patients who train or validate in it."""
    number = {name: p for p, name in enumerate(evidence.facts["patient_ids"])}
    found: dict[str, set[int]] = {}
    for row in folds:
        of_fold = found.setdefault(str(row["fold"]), set())
        if row["role"] in {"train", "val"}:
            of_fold.add(number[str(row["patient_id"])])
    return found


def _teaching_slides(folds: Rows) -> dict[str, Mapping[str, Any]]:
    """slide_id -> one of its rows, for slides that train or validate in some fold; by name."""
    rows = sorted(folds, key=lambda row: str(row["slide_id"]))
    found = {str(row["slide_id"]): row for row in rows if row["role"] in {"train", "val"}}
    if not found:
        raise HistotileError("fold table", "no slide trains in any fold", "run `histotile split`")
    return found


def _read_slide(
    features: Path, tiles: Path, slide_id: str, baseline: BaselineFile, task: Task
) -> _SlideRows:
    table = tables.read_table(tiles / f"{slide_id}.parquet")
    labels, strata = read_labels(table, task)
    check_task(tiles / f"{slide_id}.parquet", read_spec(tiles / f"{slide_id}.parquet"), task)
    every = labels[np.concatenate(strata)]
    asked = np.flatnonzero(baseline.slide_ids == slide_id)
    if not len(asked):
        nothing = tuple(np.zeros((0, stage.width), np.float16) for stage in baseline.stages)
        colour = np.zeros((0, len(tables.COLOUR)), np.float32)
        return _SlideRows(asked, nothing, labels[:0], colour, every)
    file = read_features(features / f"{slide_id}.h5")
    _check_backbone(features / f"{slide_id}.h5", file.facts, file.stages, baseline)
    known_by = read_spec(tiles / f"{slide_id}.parquet").identity
    check_same(features / f"{slide_id}.h5", known_by, file.facts["identity"])
    ids, rows, sampled = np.intersect1d(
        file.tile_ids, baseline.tile_ids[asked], return_indices=True
    )
    usable = np.isin(ids, np.concatenate(strata))
    ids, rows, sampled = ids[usable], rows[usable], sampled[usable]
    return _SlideRows(
        kept=asked[sampled],
        features=tuple(file.of_stage(stage.number)[rows] for stage in file.stages),
        labels=labels[ids],
        colour=np.stack([table[c].to_numpy() for c in tables.COLOUR], 1)[ids].astype(np.float32),
        every=every,
    )


def _check_backbone(
    path: Path, facts: Mapping[str, Any], stages: Sequence[Any], baseline: BaselineFile
) -> None:
    made_by, wanted = str(facts["backbone_id"]), str(baseline.facts["backbone_id"])
    if made_by != wanted or tuple(stages) != baseline.stages:
        fact = f"made by backbone {made_by}, the baseline by {wanted}"
        raise HistotileError(path, fact, "run `histotile embed` and `histotile baseline` again")


def _number(names: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """The different names in order, and each one's number among them."""
    different, numbers = np.unique(np.array(names, np.str_), return_inverse=True)
    return different.tolist(), numbers


def _scale(facts: Mapping[str, Any]) -> str:
    return f"{facts['tile_px']} px at {facts['mpp']:g} um/px" if "tile_px" in facts else "unknown"


def _name(backbone: Mapping[str, Any]) -> str:
    return f"{backbone['name']}, {backbone['weights']}"
