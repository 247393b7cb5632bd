"""Heads on cached features: of which stage, which tiles, and of views beside them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histotile.config import Train
from histotile.errors import HistotileError
from histotile.io.features import FeatureFile, Stage
from histotile.tasks.probe import fit_head
from histotile.tasks.registry import make_task
from histotile.training.job import FoldSlide, FoldTiles, Job, Machine, gather_tiles
from histotile.training.strategies.linear_probe import cached_features, choose_head

CLASSES = ("healthy", "tumour")
TASK = make_task(CLASSES)


@pytest.fixture
def tiles(tmp_path: Path, make_slide: Callable[..., Path]) -> FoldTiles:
    """Six patients; features tell tile, stage, view, patient and, with noise, the class."""
    slides = []
    for number in range(6):
        name = f"s{number}"
        table = make_slide(name, seed=number)
        write(tmp_path / f"{name}.h5", number, views=2)
        role: Any = "train" if number < 4 else "val"
        slides.append(FoldSlide(name, f"p{number}", role, table, tmp_path / f"{name}.h5"))
    return gather_tiles(slides, TASK, 8, 0)


def write(path: Path, number: int, views: int) -> None:
    ids = np.arange(31, -1, -1, dtype=np.int32)  # a file may list its tiles in any order

    def stage(depth: int, view: int) -> Any:
        noise = np.random.default_rng([number, depth, view]).normal(0, 0.5, 32)
        place = np.where(ids % 8 < 4, -1.0, 1.0)  # left half of the slide: healthy
        columns: list[Any] = [ids, 0 * ids + depth, 0 * ids + view, 0 * ids + number, place + noise]
        return np.stack(columns, axis=1).astype(np.float16)

    copies = [(stage(2, v), (stage(1, v),)) for v in range(1, views + 1)]
    stages = (Stage(1, "early", 5, 10), Stage(2, "last", 5, 20))
    facts = {"backbone": {}, "backbone_id": "abc"}
    coords = np.zeros((32, 2), np.int32)
    FeatureFile(stage(2, 0), (stage(1, 0),), coords, ids, None, stages, facts, copies).write(path)


def job(tiles: FoldTiles, settings: Train, folder: Path) -> Job:
    backbone: Any = None
    return Job(folder, tiles, backbone, settings, Machine(), "linear_probe", ())


@pytest.mark.parametrize("stage", [1, 2])
def test_views_follow_the_tiles_in_their_order(tiles: FoldTiles, stage: int) -> None:
    found = cached_features(tiles, tiles.train, "abc", [stage])
    count = len(tiles.train)
    assert found.values.shape == (3 * count, 5)
    assert found.changed is not None
    for view in range(3):
        part = slice(view * count, (view + 1) * count)
        assert found.values[part, 0].tolist() == tiles.train.tile_id.tolist()
        assert set(found.values[part, 1]) == {stage}
        assert set(found.values[part, 2]) == {view}
        assert found.values[part, 3].tolist() == tiles.train.slide.tolist()
        assert found.labels[part].tolist() == tiles.train.label.tolist()
        assert found.groups[part].tolist() == [f"p{n}" for n in tiles.train.slide]
        assert set(found.changed[part]) == {view > 0}
    np.testing.assert_array_equal(found.as_is().values, found.values[:count])


def test_stages_stand_side_by_side(tiles: FoldTiles) -> None:
    both = cached_features(tiles, tiles.val, "abc", [1, 2])
    assert both.widths == (5, 5)
    for stage, part in enumerate(both.stages(), 1):
        alone = cached_features(tiles, tiles.val, "abc", [stage])
        np.testing.assert_array_equal(part.values, alone.values)


def test_a_head_learns_from_val_as_from_train(
    tiles: FoldTiles, make_settings: Callable[..., Train], tmp_path: Path
) -> None:
    """Who trains and who validates changes the curve, and not the head."""
    given = job(tiles, make_settings(), tmp_path)
    turned = replace(tiles, train=tiles.val, val=tiles.train)
    one = choose_head(given, [1, 2], "abc")
    other = choose_head(replace(given, fold=turned), [1, 2], "abc")
    assert one.curve[0].val_loss != other.curve[0].val_loss
    assert one.probe.strengths == other.probe.strengths
    np.testing.assert_allclose(one.probe.head.weight, other.probe.head.weight, atol=1e-3)


def test_heads_learn_from_views_and_are_measured_on_tiles(
    tiles: FoldTiles, make_settings: Callable[..., Train], tmp_path: Path
) -> None:
    with_views = choose_head(job(tiles, make_settings(), tmp_path), [2], "abc")
    assert with_views.copies == 2
    viewed = cached_features(tiles, tiles.train, "abc", [2])
    for slide in tiles.slides:
        write(Path(str(slide.features)), int(slide.slide_id[1:]), views=0)
    without = choose_head(job(tiles, make_settings(), tmp_path), [2], "abc")
    assert without.copies == 0
    assert not np.allclose(with_views.probe.head.weight, without.probe.head.weight)
    taught = [viewed, cached_features(tiles, tiles.train, "abc", [2])]
    as_is = viewed.as_is()
    weights = TASK.weights(as_is.labels, True)
    for fitted, features in zip((with_views, without), taught, strict=True):
        strength = fitted.probe.strengths[-1]
        (best,) = (point for point in fitted.curve if point.step == strength)
        of_train = fit_head(TASK, features, True, strength)  # val teaches the head that is kept
        loss = TASK.error(of_train.logits(as_is.values), as_is.labels, weights)
        assert best.train_loss == pytest.approx(loss, rel=1e-6)


def test_unfitting_files_are_named(tiles: FoldTiles) -> None:
    with pytest.raises(HistotileError, match="holds 2 stages, stage 3"):
        cached_features(tiles, tiles.train, "abc", [3])
    with pytest.raises(HistotileError, match="was made by backbone abc"):
        cached_features(tiles, tiles.train, "other", [1])
    write(Path(str(tiles.slides[0].features)), 0, views=1)
    with pytest.raises(HistotileError, match="have 1 to 2 views"):
        cached_features(tiles, tiles.train, "abc", [1])
    missing = replace(tiles.slides[0], features=None)
    with pytest.raises(HistotileError, match="histotile embed"):
        cached_features(
            replace(tiles, slides=(missing, *tiles.slides[1:])), tiles.train, "abc", [1]
        )
