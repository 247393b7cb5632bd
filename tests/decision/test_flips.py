"""What would flip a decision: a cohort so changed does flip."""

from collections.abc import Callable
from typing import Any

import pytest

from histotile.config import Decide
from histotile.decision.evidence import Evidence
from histotile.decision.flips import would_flip
from histotile.decision.similarity import judge
from histotile.decision.size import group_tiles, measure_size

Make = Callable[..., Evidence]


def flips(evidence: Evidence, settings: Decide) -> list[str]:
    size = measure_size(group_tiles(evidence), evidence.classes, settings.size)
    return would_flip(size, judge(evidence, settings, quick=True).similarity, settings)


def test_a_small_cohort_is_told_what_large_means(
    make_evidence: Make, quick_settings: Decide
) -> None:
    found = flips(make_evidence(12, 10, own=(1.0, 1.6)), quick_settings)
    assert len(found) == 1, "fixed is also what its other neighbour comes to"
    assert found[0].startswith("At least 40 patients and 250 effective tiles of each class")
    assert found[0].endswith("-> finetune.")


def test_the_number_of_patients_named_would_do(make_evidence: Make, quick_settings: Decide) -> None:
    (text,) = flips(make_evidence(12, 10, own=(1.0, 1.6), likeness=0.3), quick_settings)
    needed = int(text.split("that takes ")[1].split(" patients")[0])
    assert needed > 40
    larger = make_evidence(round(1.2 * needed), 10, own=(1.0, 1.6), likeness=0.3)
    size = measure_size(group_tiles(larger), larger.classes, quick_settings.size)
    assert size.verdict == "large"


def test_borderline_that_counts_as_large_flips_at_the_lower_thresholds(
    make_evidence: Make, quick_settings: Decide
) -> None:
    rule = quick_settings.size.model_copy(update={"borderline": "large"})
    settings = quick_settings.model_copy(update={"size": rule})
    found = flips(make_evidence(30, 10, own=(1.0, 1.6)), settings)
    assert found[0].startswith("Fewer than 15 patients or 100 effective tiles")
    assert found[0].endswith("-> fixed.")


@pytest.mark.parametrize(("patients", "there"), [(12, "fixed"), (80, "finetune")])
def test_a_poor_backbone_is_named(
    make_evidence: Make, quick_settings: Decide, patients: int, there: str
) -> None:
    found = flips(make_evidence(patients, 15, own=(1.5, 0.2)), quick_settings)
    assert found[-1].startswith("A backbone whose last stage is as good as its best")
    assert "gains at least 0.25" in found[-1]
    assert found[-1].endswith(f"-> {there}.")


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"own": (3.0, 5.0)}, "A harder task"),
        ({"domain": "pathology"}, "A backbone that was not pre-trained on pathology"),
    ],
)
def test_what_ends_an_exception(
    make_evidence: Make, quick_settings: Decide, changes: Any, start: str
) -> None:
    (text,) = flips(make_evidence(12, 15, **changes), quick_settings)
    assert text.startswith(start)


def test_an_assumed_similarity_is_told_how_to_be_measured(
    make_evidence: Make, quick_settings: Decide
) -> None:
    found = flips(make_evidence(6, 15, own=(1.5, 0.3)), quick_settings)
    assert "At least 10 patients of each class" in found[-1]
    assert found[-1].endswith("may lead to fixed.")
