"""Labels by areas: outlines that overlap, and shares of a tile."""

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from histotile.config import Labels
from histotile.errors import HistotileError
from histotile.slides.annotations.read import Annotation
from histotile.tasks.registry import make_task
from histotile.tiling.labels import label_tiles
from histotile.tiling.truth import SlideTruth, TileLabels

SEVERAL = make_task(("necrosis", "tumour"), "multilabel")
PERCENT = make_task(("tumour",), "regression", {"low": 0, "high": 100, "unit": "%"})
X: NDArray[np.int32] = np.array([0, 100, 200, 300], np.int32)
Y = np.zeros(4, np.int32)


def outline(name: str, left: float, right: float) -> Annotation:
    return Annotation(name, shapely.box(left, 0, right, 100))


def labelled(
    task: object, *outlines: Annotation, label: str | None = None, outside: str | None = "none"
) -> TileLabels:
    truth = SlideTruth("s", task, label, list(outlines))  # type: ignore[arg-type]
    settings = Labels(
        source="annotation",
        names={"Tumor": "tumour"},
        outside=outside,
        positive_overlap=0.5,
        negative_overlap=0.02,
    )
    return label_tiles(X, Y, 100.0, truth, settings)


def test_overlapping_outlines_give_several_labels() -> None:
    found = labelled(SEVERAL, outline("Tumor", 0, 230), outline("necrosis", 100, 200))
    assert found.labels == ["tumour", "necrosis;tumour", None, "none"]
    assert found.why_none == {"between the limits of overlap": 1}


def test_tiles_outside_have_no_label_where_outlines_are_incomplete() -> None:
    found = labelled(SEVERAL, outline("tumour", 0, 100), outside=None)
    assert found.labels == ["tumour", None, None, None]
    assert sum(found.why_none.values()) == 3


def test_outlines_of_other_names_take_the_label() -> None:
    found = labelled(SEVERAL, outline("tumour", 0, 200), outline("fold", 100, 200))
    assert found.labels[:2] == ["tumour", None]
    assert sum(found.why_none.values()) == 1
    again = labelled(PERCENT, outline("tumour", 0, 200), outline("fold", 100, 200), outside=None)
    assert again.labels == ["100", None, "0", "0"]


@pytest.mark.parametrize(("task", "label"), [(SEVERAL, "tumour"), (PERCENT, "100")])
def test_an_outline_around_the_tissue_leaves_the_labels_inside_it(task: object, label: str) -> None:
    found = labelled(task, outline("tissue", 0, 400), outline("tumour", 0, 200), outside=None)
    assert found.labels == [label, label, None, None]


@pytest.mark.parametrize(("task", "label"), [(SEVERAL, "tumour"), (PERCENT, "100")])
def test_what_a_program_measured_in_an_outline_takes_nothing_from_it(
    task: object, label: str
) -> None:
    class Annotations(list[Annotation]):
        measured = (outline("tumour", 20, 80), outline("tumour", 320, 380))

    truth = SlideTruth("s", task, None, Annotations([outline("tumour", 0, 100)]))  # type: ignore[arg-type]
    settings = Labels(
        source="annotation", names={}, outside=None, positive_overlap=0.5, negative_overlap=0.02
    )
    found = label_tiles(X, Y, 100.0, truth, settings)
    assert found.labels[0] == label
    assert found.labels[3] is None, "measured, and not outlined"


def test_a_slide_of_none_of_them_keeps_that_beside_an_empty_annotation() -> None:
    assert labelled(SEVERAL, label="none", outside=None).labels == ["none"] * 4


def test_a_number_without_outlines_does_not_make_its_tiles_zero() -> None:
    found = labelled(PERCENT, label="50", outside=None)
    assert found.labels == [None] * 4
    assert "without outlines" in next(iter(found.why_none))
    assert labelled(PERCENT, label="0", outside=None).labels == ["0"] * 4


@pytest.mark.parametrize(("label", "word"), [("none", "'tumour'"), ("necrosis;tumour", "necrosis")])
def test_a_slide_that_contradicts_its_outlines_is_refused(label: str, word: str) -> None:
    with pytest.raises(HistotileError, match=word):
        labelled(SEVERAL, outline("tumour", 0, 100), label=label)


def test_a_slide_of_none_of_them_gives_tiles_of_none() -> None:
    assert labelled(SEVERAL, label="none").labels == ["none"] * 4


def test_the_share_of_a_tile_is_a_number_of_the_range() -> None:
    found = labelled(PERCENT, outline("Tumor", 0, 130), outside=None)
    assert found.labels == ["100", "30", "0", "0"]
    np.testing.assert_allclose(found.overlap, [1, 0.3, 0, 0], atol=1e-6)


def test_outlines_off_the_tiles_label_nothing() -> None:
    found = labelled(PERCENT, outline("tumour", 5000, 6000), outside=None)
    assert found.labels == [None] * 4
    assert "level-0 px" in next(iter(found.why_none))


@pytest.mark.parametrize("label", ["a;b", "tumour;fat", "12"])
def test_a_slide_label_of_another_task_is_refused(label: str) -> None:
    with pytest.raises(HistotileError, match="multilabel"):
        labelled(SEVERAL, outline("tumour", 0, 100), label=label)
