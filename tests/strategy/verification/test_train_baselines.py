"""Colour alone, random weights and scikit-learn, judged on the tiles that a fold tests."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from histotile.config import Backbone, Train
from histotile.io import tables
from histotile.io.features import BaselineFile, Stage
from histotile.strategy.verification import train_baselines
from histotile.strategy.verification.train_alternatives import compare
from histotile.strategy.verification.train_baselines import compare_random, compare_sklearn
from histotile.tasks.probe import Features
from histotile.tasks.registry import make_task
from histotile.tasks.task import score
from histotile.training.job import FoldSlide

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
KEYS = ("slide_id", "patient_id", "tile_id", "label")


def judged_by(slides: list[FoldSlide]) -> list[FoldSlide]:
    return [replace(slide, role="test") for slide in slides]


def test_random_weights_are_judged_on_the_sampled_test_tiles_alone(
    tmp_path: Path, fold: list[FoldSlide], make_settings: Callable[..., Train]
) -> None:
    """Their second stage tells the classes, the first knows nothing."""
    taught, tested = fold[:6], judged_by(fold[6:])
    slides = [*taught, *tested]
    names, tiles, truth = [], [], []
    for slide in slides:
        labels = np.array(TASK.labels(tables.read_table(slide.tiles)["label"].to_pylist()))
        rows = np.flatnonzero(labels >= 0)[::2]
        names += [slide.slide_id] * len(rows)
        tiles += rows.tolist()
        truth += labels[rows].tolist()
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(2, len(truth), 3)).astype(np.float16)
    noise[1, :, 0] += 6 * np.array(truth, np.float16)
    stages = (Stage(1, "one", 3, 10), Stage(2, "two", 3, 20))
    places = np.array(names, np.str_), np.array(tiles, np.int32)
    path = tmp_path / "baseline.h5"
    BaselineFile(*places, noise[1], (noise[0],), stages, {}).write(path)
    deep = compare_random(slides, TASK, make_settings(), path, 2)
    blind = compare_random(slides, TASK, make_settings(), path, 1)
    of_test = [n for n, name in enumerate(names) if name == tested[0].slide_id]
    assert deep["tile_id"].tolist() == [tiles[n] for n in of_test]
    assert deep["label"].tolist() == [truth[n] for n in of_test]
    assert set(deep["patient_id"]) == {tested[0].patient_id}
    assert np.mean((deep["prob_tumour"] > 0.5) == deep["label"]) > 0.95
    assert np.mean((blind["prob_tumour"] > 0.5) == blind["label"]) < 0.9


def test_scikit_learn_judges_the_tiles_of_the_strategies_as_well_as_a_probe(
    fold: list[FoldSlide], tiny_backbone: Backbone, make_settings: Callable[..., Train]
) -> None:
    slides = [*fold[:5], replace(fold[5], role="val"), *judged_by(fold[6:])]
    settings = make_settings()
    probe = compare(slides, TASK, tiny_backbone, settings, ("linear_probe", ()))
    plain = compare_sklearn(slides, TASK, settings, 2)
    for name in KEYS:
        assert np.array_equal(probe[name], plain[name])
    assert np.allclose(plain["prob_healthy"] + plain["prob_tumour"], 1)
    for found in (probe, plain):  # ranks: calls of a probe may lean to a class
        values = np.stack([found["prob_healthy"], found["prob_tumour"]], axis=1)
        ranked = score(TASK, values, found["label"])
        assert ranked is not None and ranked > 0.9


def test_scikit_learn_learns_from_no_more_tiles_than_it_can(
    fold: list[FoldSlide],
    make_settings: Callable[..., Train],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slides = [*fold[:6], *judged_by(fold[6:])]
    everything = compare_sklearn(slides, TASK, make_settings(), 2)
    monkeypatch.setattr(train_baselines, "MOST", 40)
    some = compare_sklearn(slides, TASK, make_settings(), 2)
    assert np.array_equal(some["tile_id"], everything["tile_id"])
    assert not np.allclose(some["prob_tumour"], everything["prob_tumour"])


@pytest.mark.parametrize("kind", ["numbers", "several labels"])
def test_scikit_learn_learns_numbers_and_several_labels_at_once(kind: str) -> None:
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(300, 6))
    truth = seen[:, :2] + 0.1 * rng.normal(size=(300, 2))
    labels = truth[:, 0] if kind == "numbers" else (truth > 0).astype(np.int8)
    given = {"low": -5.0, "high": 5.0} if kind == "numbers" else {}
    names = ("size",) if kind == "numbers" else ("a", "b")
    task = make_task(names, "regression" if kind == "numbers" else "multilabel", given)
    groups = np.repeat(np.arange(30).astype(str), 10)
    lessons = Features(seen[:200], labels[:200], groups[:200])
    values = train_baselines._by_sklearn(task, lessons, seen[200:])
    assert values.shape == (100, len(names))
    for column, right in zip(values.T, truth[200:].T, strict=False):
        assert (
            np.corrcoef(np.argsort(np.argsort(column)), np.argsort(np.argsort(right)))[0, 1] > 0.9
        )


def test_scikit_learn_learns_where_no_inner_fold_has_both_classes() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 20)
    seen = rng.normal(size=(40, 4)) + 3 * labels[:, None]
    lessons = Features(seen, labels, np.repeat(["a", "b"], 20))
    values = train_baselines._by_sklearn(TASK, lessons, seen)
    assert np.mean((values[:, 1] > 0.5) == labels) > 0.9


def test_scikit_learn_learns_from_a_single_patient_without_a_choice_of_strength(
    fold: list[FoldSlide], make_settings: Callable[..., Train]
) -> None:
    slides = [fold[0], *judged_by(fold[6:])]
    found = compare_sklearn(slides, TASK, make_settings(), 2)
    assert np.mean((found["prob_tumour"] > 0.5) == found["label"]) > 0.8
