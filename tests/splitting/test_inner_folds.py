"""Dividing those who teach and validate once more."""

from collections.abc import Sequence
from typing import Any

import pytest

from histotile.config import Split
from histotile.errors import HistotileError
from histotile.splitting.inner_folds import inner_folds
from histotile.tasks.registry import make_task

TASK = make_task(("healthy", "tumour"))


def split(folds: int, seed: int = 0, sites: bool = False) -> Split:
    return Split(
        folds=folds,
        val_fraction=0.25,
        test_patients=["somebody"],  # of the cohort, not of this fold
        preserve_sites=sites,
        seed=seed,
    )


def cohort(patients: int) -> tuple[list[dict[str, Any]], dict[str, Sequence[str]]]:
    """Two slides a patient; every other patient has a tumour on the first."""
    rows: list[dict[str, Any]] = []
    texts: dict[str, Sequence[str]] = {}
    for number in range(patients):
        for slide in "ab":
            name = f"{number}{slide}"
            rows.append({"slide_id": name, "patient_id": f"p{number}", "site": f"s{number % 4}"})
            has_tumour = number % 2 and slide == "a"
            texts[name] = ["healthy", "tumour", "healthy"] if has_tumour else ["healthy"]
    return rows, texts


def test_no_patient_has_two_roles_and_each_is_tested_once() -> None:
    rows, texts = cohort(12)
    found = inner_folds(rows, texts, TASK, split(3))
    patient_of = {row["slide_id"]: row["patient_id"] for row in rows}
    tested: list[str] = []
    for roles in found:
        assert set(roles) == set(patient_of)
        of_patient = {(patient_of[slide], role) for slide, role in roles.items()}
        assert len(of_patient) == 12
        tested += [patient for patient, role in of_patient if role == "test"]
        for role in ("train", "val", "test"):
            labels = {t for s, r in roles.items() if r == role for t in texts[s]}
            assert labels == {"healthy", "tumour"}
    assert sorted(tested) == sorted(set(patient_of.values()))


def test_another_seed_divides_otherwise_and_slides_without_labels_are_left_out() -> None:
    rows, texts = cohort(12)
    one, same, other = (inner_folds(rows, texts, TASK, split(3, seed)) for seed in (0, 0, 1))
    assert one == same != other
    texts["0a"] = []
    assert all("0a" not in roles for roles in inner_folds(rows, texts, TASK, split(3)))


def test_sites_stay_together_where_the_cohort_is_divided_so() -> None:
    rows, texts = cohort(16)
    texts = {name: ["healthy", "tumour"] for name in texts}
    for roles in inner_folds(rows, texts, TASK, split(4, sites=True)):
        tested = {row["site"] for row in rows if roles[row["slide_id"]] == "test"}
        others = {row["site"] for row in rows if roles[row["slide_id"]] != "test"}
        assert not tested & others


def test_too_few_patients_are_told_with_the_key_to_change() -> None:
    rows, texts = cohort(6)
    with pytest.raises(HistotileError, match="'tumour' has 3 patients") as told:
        inner_folds(rows, texts, TASK, split(5))
    assert told.value.subject == "tune.folds" and "tune.folds to 3" in told.value.remedy


def test_numbers_are_divided_by_patients_means() -> None:
    rows, _ = cohort(12)
    number = make_task(("nuclei",), "regression")
    texts = {row["slide_id"]: [str(int(row["patient_id"][1:]) / 12)] for row in rows}
    for roles in inner_folds(rows, texts, number, split(3)):
        tested = [float(texts[name][0]) for name, role in roles.items() if role == "test"]
        assert min(tested) < 0.5 <= max(tested)


def test_every_label_of_several_is_on_all_sides() -> None:
    rows, _ = cohort(16)
    several = make_task(("mitosis", "necrosis"), "multilabel")
    texts = {
        row["slide_id"]: ["none", ("mitosis", "mitosis;necrosis", "necrosis", "none")[n % 4]]
        for n, row in enumerate(rows)
    }
    for roles in inner_folds(rows, texts, several, split(3)):
        for role in ("train", "val", "test"):
            found = {t for s, r in roles.items() if r == role for t in texts[s]}
            assert {"mitosis", "necrosis"} <= {name for text in found for name in text.split(";")}
