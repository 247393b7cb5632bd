from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from histotile.config import Aggregate, Evaluate
from histotile.evaluation.evaluate import evaluate
from histotile.evaluation.figures.figures import draw_pictures
from histotile.tasks.registry import make_task

NAMES = ["roc.svg", "pr.svg", "reliability.svg", "scores.svg"]


@pytest.mark.parametrize("kind", ["usual", "unlabelled", "images"])
def test_four_pictures_come_out_whatever_was_measured(
    make_cohort: Callable[..., Any], kind: str
) -> None:
    slides, folds = make_cohort(patients=12)
    if kind != "usual":
        slides = [replace(t, slide=replace(t.slide, label=None)) for t in slides]
    if kind == "unlabelled":
        slides = [replace(t, labels=np.full(60, -1)) for t in slides]
    if kind == "images":
        slides = [replace(t, labels_source="image") for t in slides]
    settings = Evaluate(bootstraps=100, confidence=0.95, seed=0)
    top = Aggregate(method="top_k", top_k=5, quantile=0.9, calls="highest", bootstraps=0)
    found = evaluate(slides, folds, make_task(("healthy", "tumour")), settings, top, True)
    pictures = draw_pictures(found.shown, found.summary)
    assert list(pictures) == NAMES
    assert pictures == draw_pictures(found.shown, found.summary)
    for svg in pictures.values():
        assert ElementTree.fromstring(svg).tag.endswith("svg")
        assert "<text" in svg
        assert "dc:date" not in svg
    has_slides = "fold 0: tumour" in pictures["scores.svg"]
    assert has_slides == (kind == "usual")
    assert ("ECE" in pictures["reliability.svg"]) == (kind != "unlabelled")
