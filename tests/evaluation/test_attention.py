import numpy as np
import pytest

from histotile.config import Evaluate
from histotile.evaluation.attention import LESION, MARKED, Looked, attention_rows
from histotile.tasks.registry import make_task

SETTINGS = Evaluate(bootstraps=200, confidence=0.95, seed=0)
TASK = make_task(("healthy", "tumour"))


def looked(patient: str, attention: list[float], labels: list[int] | None) -> Looked:
    known = None if labels is None else np.array(labels)
    marked = np.arange(len(attention)) == 0
    return Looked(patient, np.array(attention), known, marked)


def test_rows_worked_out_by_hand() -> None:
    slides = [
        looked("p", [0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]),  # all found
        looked("p", [0.4, 0.3, 0.2, 0.1], [0, 0, 1, -1]),  # the reverse; one tile without label
        looked("q", [0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1]),
        looked("r", [0.1, 0.2, 0.3, 0.4], None),  # labelled as its slide
    ]
    lesion, marked = attention_rows(slides, TASK, SETTINGS)
    assert (lesion["tiles"], marked["tiles"]) == (LESION, MARKED)
    assert lesion["value"] == pytest.approx((0.5 + 0.75) / 2)
    assert (lesion["slides"], lesion["patients"]) == (3, 2)
    assert lesion["share"] == pytest.approx(((0.7 + 0.2 / 0.9) / 2 + 0.6) / 2)
    assert lesion["lower"] <= lesion["value"] <= lesion["upper"]
    assert (marked["slides"], marked["patients"]) == (4, 3)
    assert marked["value"] == pytest.approx((0.5 + 0 + 0) / 3)


def test_nothing_to_hold_against_gives_no_row() -> None:
    one = Looked("p", np.array([0.5, 0.5]), np.array([1, 1]), np.zeros(2, bool))
    assert attention_rows([one], TASK, SETTINGS) == []
    number = make_task(("n",), "regression")
    told = Looked("p", np.array([0.5, 0.5]), np.array([0.1, 0.9]), np.zeros(2, bool))
    assert attention_rows([told], number, SETTINGS) == []
