from xml.etree import ElementTree

import numpy as np
import pytest

from histotile.evaluation.figures.score_distribution import Lane, draw_scores, score_lanes
from histotile.evaluation.units import Units

CLASSES = ("healthy", "tumour")


def slides(labels: list[int], folds: list[str], n_classes: int = 2) -> Units:
    n = len(labels)
    scores = np.random.default_rng(0).dirichlet(np.ones(n_classes), n)
    own = np.arange(n)
    return Units("slide", np.array(labels), own, own, np.array(folds), {"network": scores})


def test_lanes_hold_every_slide_once_by_fold_and_label() -> None:
    units = slides([0, 1, 1, 0, 1], ["0", "0", "1", "1", "holdout"])
    lanes = score_lanes(units, ["0", "1"], CLASSES)
    assert [(k.fold, k.label, len(k.scores)) for k in lanes] == [
        ("0", "healthy", 1),
        ("0", "tumour", 1),
        ("1", "healthy", 1),
        ("1", "tumour", 1),
        ("holdout", "tumour", 1),
    ]
    assert {k.class_name for k in lanes} == {"tumour"}
    shown = np.concatenate([k.scores for k in lanes])
    assert sorted(shown) == pytest.approx(sorted(units.scores["network"][:, 1]))


def test_more_classes_show_the_score_of_each() -> None:
    classes = ("a", "b", "c")
    lanes = score_lanes(slides([0, 1, 2], ["0"] * 3, 3), ["0"], classes)
    assert [(k.class_name, k.label) for k in lanes] == [(s, c) for s in classes for c in classes]


def test_slides_without_score_are_left_out() -> None:
    units = slides([0, 1], ["0", "0"])
    units.scores["network"][0] = np.nan
    assert [k.label for k in score_lanes(units, ["0"], CLASSES)] == ["tumour"]


def test_picture_keeps_names_as_text_and_stays_small() -> None:
    names = ("_<script>alert(1)</script>", '$x$ & "y"')
    rng = np.random.default_rng(0)
    lanes = [
        Lane(fold, label, names[1], np.sort(rng.random(5000)))
        for fold in ("0", "holdout")
        for label in names
    ]
    svg = draw_scores(lanes, names)
    assert "<script" not in svg
    text = " ".join(ElementTree.fromstring(svg).itertext())
    for word in ("fold 0: _<script>", 'fixed test set: $x$ & "y"', "Score of $x$"):
        assert word in text
    assert svg.count("<use") < 1000
    assert svg == draw_scores(lanes, names)
    assert "No labelled slide has a score" in draw_scores([], names)
