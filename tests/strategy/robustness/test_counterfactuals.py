"""What would change a decision: a cohort so changed gets another one."""

from collections.abc import Callable
from typing import Any

import pytest

from histotile.config import Decide
from histotile.strategy.decision_table import choose
from histotile.strategy.effective_sample_size import group_tiles, measure_size
from histotile.strategy.evidence import Evidence
from histotile.strategy.feature_similarity import judge
from histotile.strategy.robustness.counterfactuals import find_counterfactuals

Make = Callable[..., Evidence]


def counterfactuals(evidence: Evidence, settings: Decide) -> list[str]:
    size = measure_size(group_tiles(evidence), evidence.classes, settings.size)
    judgement = judge(evidence, settings, quick=True, size=size.verdict)
    size = size.model_copy(update={"counts_as": judgement.counts_as})
    return find_counterfactuals(size, judgement.similarity, settings)


def counting_borderline_as(borderline: str, settings: Decide) -> Decide:
    least = {"small": 1e9, "large": -1e9}[borderline]
    rule = settings.similarity.model_copy(update={"min_gain_borderline": least})
    return settings.model_copy(update={"similarity": rule})


def test_a_small_cohort_is_told_what_large_means(
    make_evidence: Make, quick_settings: Decide
) -> None:
    settings = counting_borderline_as("small", quick_settings)
    found = counterfactuals(make_evidence(12, 10, own=(1.0, 1.6)), settings)
    assert [one.split("-> ")[1] for one in found] == ["finetune.", "early_probe."]
    assert found[0].startswith("At least 40 patients and 250 effective tiles of each class")
    assert found[1].startswith("An earlier stage within 0.03 AUROC of the last one")


def test_the_number_of_patients_named_would_do(make_evidence: Make, quick_settings: Decide) -> None:
    settings = counting_borderline_as("small", quick_settings)
    text = counterfactuals(make_evidence(12, 10, own=(1.0, 1.6), likeness=0.3), settings)[0]
    needed = int(text.split("that takes ")[1].split(" patients")[0])
    assert needed > 40
    larger = make_evidence(round(1.2 * needed), 10, own=(1.0, 1.6), likeness=0.3)
    size = measure_size(group_tiles(larger), larger.classes, settings.size)
    assert size.verdict == "large"


def test_borderline_that_counts_as_large_flips_at_the_lower_thresholds(
    make_evidence: Make, quick_settings: Decide
) -> None:
    settings = counting_borderline_as("large", quick_settings)
    found = counterfactuals(make_evidence(30, 10, own=(1.0, 1.6)), settings)
    assert found[0].startswith("Fewer than 15 patients or 100 effective tiles")
    assert found[0].endswith("-> linear_probe.")


@pytest.mark.parametrize(
    ("borderline", "there"), [("small", "finetune"), ("large", "linear_probe")]
)
def test_a_borderline_cohort_is_told_the_gain_that_moves_it(
    make_evidence: Make, quick_settings: Decide, borderline: str, there: str
) -> None:
    settings = counting_borderline_as(borderline, quick_settings)
    found = counterfactuals(make_evidence(30, 10, own=(1.0, 1.6)), settings)
    words = {"small": "gains at least", "large": "gains less than"}[borderline]
    assert words in found[-1]
    about_depth = [one for one in found if one.startswith("An earlier stage within")]
    assert len(about_depth) == (borderline == "small"), "only small cohorts ask for depth"
    assert found[-1].endswith(f"-> {there}.")


def test_a_small_cohort_is_told_what_its_backbone_lacks_in_depth(
    make_evidence: Make, quick_settings: Decide
) -> None:
    found = counterfactuals(
        make_evidence(12, 15, own=(1.5, 0.2), random=(1.8, 1.8)), quick_settings
    )
    assert found[-1].startswith("A backbone whose last stage is better than all others by 0.03")
    assert "random" not in found[-1]
    assert found[-1].endswith("-> linear_probe.")


def test_a_large_cohort_is_told_what_its_backbone_lacks_in_gain(
    make_evidence: Make, quick_settings: Decide
) -> None:
    found = counterfactuals(
        make_evidence(80, 15, own=(1.5, 0.2), random=(1.8, 0.2)), quick_settings
    )
    assert found[-1].startswith("A backbone that gains at least -1 over random weights (now -")
    assert "last stage" not in found[-1]
    assert found[-1].endswith("-> finetune.")


@pytest.mark.parametrize(
    ("patients", "own", "random", "there"),
    [
        (12, (1.0, 1.5), (0.2, 0.2), "finetune"),
        (12, (1.0, 1.5), (1.9, 0.2), "retrain"),
        (12, (1.5, 0.2), (0.2, 0.2), "finetune"),
        (12, (1.5, 0.2), (1.9, 0.2), "retrain"),
        (7, (1.5, 0.2), (0.2, 0.2), "finetune"),  # too few to measure depth; gain is known
        (80, (1.0, 1.5), (1.9, 0.2), "linear_probe"),
        (80, (1.5, 0.2), (0.2, 0.2), "early_probe"),
    ],
)
def test_a_cohort_of_another_size_answers_another_question(
    make_evidence: Make, quick_settings: Decide, patients: int, own: Any, random: Any, there: str
) -> None:
    found = counterfactuals(make_evidence(patients, 20, own=own, random=random), quick_settings)
    assert found[0].startswith("At least" if patients < 40 else "Fewer than")
    assert found[0].endswith(f"-> {there}.")
    after = make_evidence(92 - patients, 20, own=own, random=random)
    size = measure_size(group_tiles(after), after.classes, quick_settings.size)
    judgement = judge(after, quick_settings, True, size.verdict)
    assert choose(judgement.counts_as, judgement.similarity).strategy == there


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
    (text,) = counterfactuals(make_evidence(12, 15, **changes), quick_settings)
    assert text.startswith(start)


def test_an_assumed_similarity_is_told_how_to_be_measured(
    make_evidence: Make, quick_settings: Decide
) -> None:
    found = counterfactuals(make_evidence(6, 15, own=(1.5, 0.3)), quick_settings)
    assert "At least 10 patients of each class" in found[-1]
    assert found[-1].endswith("may lead to linear_probe.")
