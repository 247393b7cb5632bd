"""A strategy compared on a fold: the same tiles for every strategy, the same numbers either way."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histotile.config import Backbone, Train
from histotile.io import tables
from histotile.strategy.verification.train_alternatives import compare
from histotile.strategy.verification.train_baselines import compare_colour
from histotile.tasks.registry import make_task
from histotile.training.job import FoldSlide, Machine

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)
KEYS = ("slide_id", "patient_id", "tile_id", "label")


def judged_by(slides: list[FoldSlide]) -> list[FoldSlide]:
    return [replace(slide, role="test") for slide in slides]


@pytest.mark.parametrize("strategy", ["linear_probe", "early_probe"])
def test_cached_features_and_pixels_give_the_same_probabilities(
    fold: list[FoldSlide],
    tiny_backbone: Backbone,
    make_settings: Callable[..., Train],
    strategy: Any,
) -> None:
    taught, judged = [*fold[:5], replace(fold[5], role="val")], judged_by(fold[6:])
    settings = make_settings()
    cached = compare([*taught, *judged], TASK, tiny_backbone, settings, (strategy, (2,)))
    bare = [replace(slide, features=None) for slide in judged]
    slides, machine = [*taught, *bare], Machine(threads=1)
    read = compare(slides, TASK, tiny_backbone, settings, (strategy, (2,)), machine)
    more = {"seconds", "kept", "gave_way", "trains_layers"}
    assert set(cached) == {*KEYS, "prob_healthy", "prob_tumour", *more}
    assert not cached["trains_layers"]
    for name in KEYS:
        assert np.array_equal(cached[name], read[name])
    assert np.abs(cached["prob_tumour"] - read["prob_tumour"]).max() < 5e-3  # 16-bit features
    assert np.abs(cached["prob_tumour"] + cached["prob_healthy"] - 1).max() < 1e-6
    assert set(cached["patient_id"]) == {"p6"}


def test_a_trained_strategy_judges_the_same_tiles_as_colour(
    make_slide: Callable[..., Path], tiny_backbone: Backbone, make_settings: Callable[..., Train]
) -> None:
    slides = []
    for number, role in enumerate(("train", "train", "val", "test", "test")):
        rng = np.random.default_rng(number)
        redder = np.where(np.arange(32) % 8 < 4, 0.0, 1.0)  # the right half, where tumour is
        colour = {name: rng.standard_normal(32) + 3 * redder for name in tables.COLOUR}
        table = make_slide(f"s{number}", seed=number, **colour)
        slides.append(FoldSlide(f"s{number}", f"p{number}", role, table))  # type: ignore[arg-type]
    settings = make_settings(epochs=1, max_tiles_per_slide=8)
    trained = compare(slides, TASK, tiny_backbone, settings, ("finetune", ()))
    assert trained["trains_layers"]
    tailed = settings.model_copy(update={"early_probe": "retrain_tail"})
    assert compare(slides, TASK, tiny_backbone, tailed, ("early_probe", (2,)))["trains_layers"]
    colour = compare_colour(slides, TASK, settings)
    for name in KEYS:
        assert np.array_equal(trained[name], colour[name])
    assert np.bincount(trained["label"]).tolist() == [16, 16]  # 8 of each class, two slides
    assert trained["seconds"] > 0
    assert np.mean((colour["prob_tumour"] > 0.5) == colour["label"]) > 0.9


def test_the_strategy_of_the_settings_does_not_matter(
    fold: list[FoldSlide], tiny_backbone: Backbone, make_settings: Callable[..., Train]
) -> None:
    one, other = (
        compare(
            [*fold, *judged_by(fold[5:])],
            TASK,
            tiny_backbone,
            make_settings(strategy=s),
            ("linear_probe", ()),
        )
        for s in ("auto", "retrain")
    )
    assert np.array_equal(one["prob_tumour"], other["prob_tumour"])


def test_a_head_is_judged_by_features_however_tails_are_trained(
    own_fold: list[FoldSlide], tiny_backbone: Backbone, make_settings: Callable[..., Train]
) -> None:
    slides = [*own_fold[:5], replace(own_fold[5], role="val"), *judged_by(own_fold[6:])]
    truncated, retrained = (make_settings(early_probe=how) for how in ("truncate", "retrain_tail"))
    whole = compare(slides, TASK, tiny_backbone, truncated, ("linear_probe", ()))
    for number in range(7):
        (own_fold[number].tiles.parent / f"s{number}.tiff").unlink()
    found = compare(slides, TASK, tiny_backbone, retrained, ("linear_probe", ()))
    assert np.array_equal(found["prob_tumour"], whole["prob_tumour"])
