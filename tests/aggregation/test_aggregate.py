import subprocess
import sys

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotile.aggregation.aggregate import (
    FoldSlide,
    PredictedTiles,
    aggregate_patient,
    aggregate_slide,
    fold_slides,
)
from histotile.aggregation.cohort import aggregate_cohort
from histotile.config import Aggregate
from histotile.errors import HistotileError
from histotile.tasks.registry import make_task

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)


def settings(method: str, top_k: int = 2, quantile: float = 0.5) -> Aggregate:
    return Aggregate.model_validate(
        {
            "method": method,
            "top_k": top_k,
            "quantile": quantile,
            "calls": "highest",
            "bootstraps": 50,
        }
    )


def tiles(*tumour: float) -> np.ndarray:
    p = np.array(tumour, dtype=np.float32).reshape(-1)
    return np.stack([1 - p, p], axis=1)


def placed(probabilities: np.ndarray, x: int) -> PredictedTiles:
    """The tiles in a row from x on, 100 px apart."""
    edges = x + 100 * np.arange(len(probabilities))
    return PredictedTiles(edges, edges * 0, probabilities)


@pytest.mark.parametrize(
    ("method", "expected"),
    [("mean", 0.35), ("top_k", 0.65), ("quantile", 0.25), ("noisy_or", 0.6025)],
)
def test_methods_give_values_worked_out_by_hand(method: str, expected: float) -> None:
    scores = aggregate_slide(tiles(0.1, 0.9, 0.4, 0.0), settings(method))
    by_hand = {"noisy_or": 1 - (0.9 * 0.1 * 0.6 * 1.0) ** (2 / 4)}
    assert scores[1] == pytest.approx(by_hand.get(method, expected), abs=1e-6)
    assert scores[0] == pytest.approx(1 - scores[1], abs=1e-6)


def test_top_k_takes_all_tiles_where_there_are_fewer() -> None:
    assert aggregate_slide(tiles(0.2, 0.4), settings("top_k", 50))[1] == pytest.approx(0.3)


def test_noisy_or_is_the_plain_one_up_to_k_tiles_and_does_not_saturate_beyond() -> None:
    few = aggregate_slide(tiles(0.5, 0.5), settings("noisy_or", 10))
    assert few[1] == pytest.approx(0.75)
    many = aggregate_slide(tiles(*[0.05] * 50_000), settings("noisy_or", 10))
    assert many[1] == pytest.approx(1 - 0.95**10, abs=1e-6)
    certain = aggregate_slide(tiles(1.0, 0.0), settings("noisy_or", 10))
    assert np.isfinite(certain).all()


def test_three_classes_leave_background_the_rest() -> None:
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    assert aggregate_slide(p, settings("top_k", 1)) == pytest.approx([0.2, 0.2, 0.8])
    assert aggregate_slide(p, settings("mean")) == pytest.approx([0.4, 0.15, 0.45])


@pytest.mark.parametrize("method", ["mean", "top_k", "quantile", "noisy_or"])
def test_no_tiles_give_nan_and_unpredicted_tiles_are_left_out(method: str) -> None:
    assert np.isnan(aggregate_slide(np.empty((0, 3)), settings(method))).all()
    holed = np.concatenate([tiles(0.1, 0.9), np.full((1, 2), np.nan)])
    whole = aggregate_slide(tiles(0.1, 0.9), settings(method))
    assert aggregate_slide(holed, settings(method)) == pytest.approx(whole)


@hypothesis.settings(deadline=None)
@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40),
    st.sampled_from(["mean", "top_k", "quantile", "noisy_or"]),
    st.integers(1, 60),
)
def test_scores_are_probabilities_and_rise_with_any_tile(
    p: list[float], method: str, top_k: int
) -> None:
    chosen = settings(method, top_k, 0.9)
    before = aggregate_slide(tiles(*p), chosen)
    after = aggregate_slide(tiles(*np.minimum(np.array(p) + 0.1, 1)), chosen)
    assert ((before >= -1e-6) & (before <= 1 + 1e-6)).all()
    assert after[1] >= before[1] - 1e-6


def test_patient_is_the_worst_slide_for_lesions_and_the_mean_tile_for_mean() -> None:
    scores, n = np.array([[0.9, 0.1], [0.2, 0.8], [np.nan, np.nan]]), np.array([30, 10, 0])
    assert aggregate_patient(scores, n, settings("top_k")) == pytest.approx([0.2, 0.8])
    assert aggregate_patient(scores, n, settings("mean")) == pytest.approx([0.725, 0.275])
    assert np.isnan(aggregate_patient(scores[2:], n[2:], settings("mean"))).all()


def test_cohort_keeps_slides_without_tiles_and_counts_them() -> None:
    facts = [
        FoldSlide("s1", "p1", "healthy", "north", "0"),
        FoldSlide("s2", "p1", "tumour", "south", "0"),
        FoldSlide("s3", "p2", None, None, "1"),
    ]
    given = [
        ("s2", placed(tiles(0.9, 0.7), 0)),
        ("s1", placed(tiles(0.1), 0)),
        ("s3", placed(np.empty((0, 2)), 0)),
    ]
    slides, patients = aggregate_cohort(facts, iter(given), TASK, settings("mean"))
    assert slides["slide_id"] == ["s1", "s2", "s3"]
    assert slides["n_tiles"] == [1, 2, 0]
    assert slides["score_tumour"] == [pytest.approx(0.1), pytest.approx(0.8), None]
    assert slides["pred"] == ["healthy", "tumour", None]
    assert patients["patient_id"] == ["p1", "p2"]
    assert patients["label"] == ["tumour", None]
    assert patients["site"] == ["north;south", None]
    assert patients["n_slides_without_tiles"] == [0, 1]
    assert patients["score_tumour"][0] == pytest.approx(1.7 / 3, abs=1e-6)
    assert patients["score_tumour"][1] is None


def test_cohort_tells_how_much_a_score_hangs_on_the_place_of_the_tissue() -> None:
    facts = [FoldSlide(s, s, "tumour", None, "0") for s in ("even", "mixed", "images", "short")]
    mixed = tiles(*[0.1] * 40, *[0.9] * 40)
    images = PredictedTiles(np.zeros(80, int), np.zeros(80, int), mixed)
    given = [
        ("even", placed(tiles(*[0.3] * 80), 300)),
        ("mixed", placed(mixed, 0)),
        ("images", images),
        ("short", placed(tiles(0.2, 0.4), 0)),
    ]
    slides, patients = aggregate_cohort(facts, iter(given), TASK, settings("mean"))
    assert slides["low_tumour"][0] == slides["high_tumour"][0] == pytest.approx(0.3)
    assert slides["low_tumour"][1] < 0.4 < slides["score_tumour"][1] < 0.6
    assert slides["high_tumour"][1] > 0.6
    assert slides["low_healthy"][1] == pytest.approx(1 - slides["high_tumour"][1], abs=1e-5)
    for name in ("low_healthy", "low_tumour", "high_healthy", "high_tumour"):
        assert slides[name][2:] == [None, None]
    assert not any(name.startswith(("low", "high")) for name in patients)
    none = settings("mean").model_copy(update={"bootstraps": 0})
    slides, _ = aggregate_cohort(facts, iter(given), TASK, none)
    assert slides["low_tumour"] == slides["high_tumour"] == [None] * 4
    assert slides["score_tumour"][1] == pytest.approx(0.5)


def fold_table(roles: dict[str, list[str]], patients: dict[str, str]) -> dict[str, list[object]]:
    rows = [(f, s, r) for s, given in roles.items() for f, r in enumerate(given)]
    return {
        "fold": [r[0] for r in rows],
        "slide_id": [r[1] for r in rows],
        "patient_id": [patients[r[1]] for r in rows],
        "site": ["" for _ in rows],
        "label": ["tumour" for _ in rows],
        "role": [r[2] for r in rows],
    }


def test_facts_tell_fold_holdout_and_untested_apart() -> None:
    roles = {"a": ["test", "train", "val"], "b": ["test"] * 3, "c": ["train", "train", "test"]}
    roles["d"] = ["train"] * 3
    facts = fold_slides(fold_table(roles, {s: s for s in roles}))
    assert [f.fold for f in facts] == ["0", "holdout", "2", "none"]
    assert facts[0].site is None


def test_facts_refuse_a_patient_or_slide_tested_twice() -> None:
    twice = fold_table({"a": ["test", "test", "train"]}, {"a": "a"})
    with pytest.raises(HistotileError, match="tested in folds 0, 1"):
        fold_slides(twice)
    shared = fold_table({"a": ["test", "train"], "b": ["train", "test"]}, {"a": "p", "b": "p"})
    with pytest.raises(HistotileError, match="patient p"):
        fold_slides(shared)


def test_import_brings_no_heavy_library() -> None:
    code = (
        "import sys, histotile.aggregation.aggregate;"
        "print([m for m in ('torch', 'sklearn', 'pandas', 'matplotlib', 'scipy', 'cv2', "
        "'openslide') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
