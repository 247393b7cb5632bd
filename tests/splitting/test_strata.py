"""What folds are balanced by, where labels are no classes."""

from pathlib import Path

import pytest

from histotile.errors import HistotileError
from histotile.io.cohort import CohortSlide
from histotile.splitting.strata import slide_strata
from histotile.tasks.registry import make_task

SEVERAL = make_task(("a", "b"), "multilabel")
PERCENT = make_task(("marked",), "regression", {"low": 0, "high": 100, "unit": "%"})


def slides(*labels: str | None) -> list[CohortSlide]:
    return [
        CohortSlide(f"s{n}", f"p{n}", Path(f"s{n}"), label, row=n + 2)
        for n, label in enumerate(labels)
    ]


def test_a_slide_counts_for_each_of_its_labels() -> None:
    names, found = slide_strata(SEVERAL, slides("a", "b; a", "none", "b"), 2)
    assert names == ("none", "a", "b")
    assert [set(s.labels) for s in found] == [{"a"}, {"a", "b"}, {"none"}, {"b"}]


def test_numbers_part_patients_evenly_and_those_without_join_a_part() -> None:
    names, found = slide_strata(PERCENT, slides(*(str(n) for n in range(16)), None), 2)
    assert len(names) == 4
    parts = [names.index(s.labels[0]) for s in found[:16]]
    assert parts == sorted(parts)
    assert [parts.count(n) for n in range(4)] == [4] * 4
    assert found[16].labels[0] in names


@pytest.mark.parametrize(
    ("task", "labels", "words"),
    [
        (PERCENT, ("5", "tumour", "7"), ("'tumour'", "row 3", "0 to 100 %")),
        (PERCENT, ("5", "105"), ("'105'", "row 3")),
        (PERCENT, ("5", "5.0", "5"), ("every patient", "5 %")),
        (SEVERAL, ("a", "a;c"), ("'a;c'", "row 3")),
        (SEVERAL, ("a", "none;b"), ("'none;b'",)),
    ],
)
def test_labels_of_another_task_are_named(
    task: object, labels: tuple[str, ...], words: tuple[str, ...]
) -> None:
    with pytest.raises(HistotileError) as error:
        slide_strata(task, slides(*labels), 2)  # type: ignore[arg-type]
    assert all(word in str(error.value) for word in words), str(error.value)
