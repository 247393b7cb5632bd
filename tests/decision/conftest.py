"""Cohorts without pictures: features with known classes, likeness of patients, and depth."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from histotile.config import Config, Decide
from histotile.configfile import read_config
from histotile.decision.evidence import Evidence
from histotile.features import Half, Stage

MakeEvidence = Callable[..., Evidence]


@pytest.fixture(scope="session")
def config(repository: Path) -> Config:
    return read_config(repository / "config" / "config.yaml")


@pytest.fixture(scope="session")
def quick_settings(config: Config) -> Decide:
    """Thresholds that tests state themselves, whatever is shipped; few repeats and resamples."""
    size = {"small_neff": 100.0, "small_patients": 15, "large_neff": 250.0, "large_patients": 40}
    similarity = {
        "depth_tolerance": 0.005,
        "min_gain": -1.0,
        "min_gain_borderline": -1e9,
        "min_best_gain": -1e9,
        "saturated": 0.985,
    }
    similarity |= {"min_patients": 10, "max_interval": 0.1}
    decide = config.decide
    return decide.model_copy(
        update={
            "repeats": 1,
            "bootstraps": 60,
            "size": decide.size.model_copy(update=size),
            "similarity": decide.similarity.model_copy(update=similarity),
        }
    )


@pytest.fixture(scope="session")
def make_evidence() -> MakeEvidence:
    return synthetic_evidence


def synthetic_evidence(
    patients: int = 30,
    tiles: int = 20,
    own: Sequence[float] = (1.0, 1.5),
    random: Sequence[float] = (0.3, 0.3),
    likeness: float = 0.1,
    classes: Sequence[str] = ("healthy", "tumour"),
    shows: Callable[[int, int], bool] = lambda patient, label: True,
    width: int = 12,
    domain: Literal["natural", "pathology"] = "natural",
    **facts: Any,
) -> Evidence:
    """A cohort whose stages tell the classes as well as `own`, and with random weights `random`.

    Args:
        patients: How many.
        tiles: Per patient and class shown.
        own: Distance of class means per stage, in standard deviations of tiles.
        random: The same with random weights; empty: no control.
        likeness: Share of variance that tiles of a patient and class have in common.
        classes: Names.
        shows: Whether a patient (number) has tiles of a class (number).
        width: Features per stage.
        domain: Of the backbone.
        facts: Further entries of `facts`.
    """
    rng = np.random.default_rng(7)
    pairs = [(p, c) for p in range(patients) for c in range(len(classes)) if shows(p, c)]
    who, label = np.repeat(np.array(pairs), tiles, axis=0).T
    known = {"backbone": "toy, none", "backbone_id": "0123", "has_patients": True}
    counts = np.zeros((patients, len(classes)), np.int64)
    np.add.at(counts, (who, label), 1)

    def features(distance: float) -> Half:
        shared = rng.normal(size=(patients, len(classes), width)) * np.sqrt(likeness)
        values = rng.normal(size=(len(who), width)) * np.sqrt(1 - likeness) + shared[who, label]
        values[np.arange(len(who)), label % width] += distance
        found: Half = values.astype(np.float16)
        return found

    return Evidence(
        classes=tuple(classes),
        stages=tuple(Stage(k, f"layer{k}", width, 1000 * k**2) for k in range(1, len(own) + 1)),
        features=tuple(features(d) for d in own),
        random=tuple(features(d) for d in random),
        labels=label,
        patients=who,
        sites=who % 3,
        slides=who,
        colour=rng.normal(128, 20, (len(who), 6)).astype(np.float32),
        bn=(),
        ruler=None,
        domain=domain,
        counts=counts,
        facts=known | {"patient_ids": [f"P{p:03}" for p in range(patients)], **facts},
    )
