"""The baseline of a cohort: which tiles, whose weights, and what is said of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histotile.config import Backbone, Baseline
from histotile.errors import HistotileError
from histotile.io.features import BaselineFile, FeatureFile, read_baseline
from histotile.strategy.baselines.random_features import BaselineSlide, measure_baseline
from histotile.tasks.registry import make_task

MakeSlide = Callable[..., Path]
Embed = Callable[..., FeatureFile]
TASK = make_task(("healthy", "tumour"))


def settings(**changes: Any) -> Baseline:
    return Baseline(**({"max_tiles": 64, "seed": 0} | changes))


@pytest.fixture
def natural() -> Backbone:
    return Backbone(name="auto", weights="shipped:natural", domain="auto", options={})


@pytest.fixture
def cohort(make_slide: MakeSlide) -> list[BaselineSlide]:
    """Two patients of one slide and one of two; 16 tiles of each class per slide."""
    found = []
    for number, patient in enumerate(("p0", "p1", "p2", "p2")):
        name = f"s{number}"
        found.append(BaselineSlide(name, patient, make_slide(name, seed=number)))
    return found


def measure(cohort: list[BaselineSlide], backbone: Backbone, **changes: Any) -> BaselineFile:
    return measure_baseline(cohort, TASK, backbone, settings(**changes), 1)


def test_rows_are_the_sample_and_columns_the_stages_of_embed(
    tmp_path: Path, cohort: list[BaselineSlide], natural: Backbone, embed: Embed
) -> None:
    baseline = measure(cohort, natural)
    embedded = embed(cohort[0].tiles, natural)
    assert baseline.stages == embedded.stages
    assert baseline.facts["backbone_id"] == embedded.facts["backbone_id"]
    assert baseline.facts["backbone"] == natural.model_dump()
    assert (baseline.facts["domain"], baseline.facts["tile_px"]) == ("natural", 64)
    keys = list(zip(baseline.slide_ids.tolist(), baseline.tile_ids.tolist(), strict=True))
    assert keys == sorted(set(keys))
    of_patient = {slide.slide_id: slide.patient_id for slide in cohort}
    patients = np.unique([of_patient[name] for name in baseline.slide_ids], return_counts=True)[1]
    assert sorted(patients.tolist()) == [21, 21, 22]
    for stage in baseline.stages:
        values = baseline.of_stage(stage.number)
        assert values.shape == (64, stage.width)
        assert values.dtype == np.float16
        assert np.isfinite(values).all()
        assert values.std(axis=0).astype(float).mean() > 1e-3
    assert baseline.facts["head_weights"][-1] == 2 * (baseline.stages[-1].width + 1)
    baseline.write(tmp_path / "baseline.h5")
    assert read_baseline(tmp_path / "baseline.h5").facts == baseline.facts


def test_features_are_of_random_weights(
    cohort: list[BaselineSlide], natural: Backbone, embed: Embed
) -> None:
    baseline = measure(cohort, natural)
    own = baseline.slide_ids == "s0"
    embedded = embed(cohort[0].tiles, natural)
    rows = np.searchsorted(embedded.tile_ids, baseline.tile_ids[own])
    assert not np.allclose(baseline.features[own], embedded.features[rows], atol=0.05)


def test_the_same_each_time_whatever_the_order_and_the_batch(
    cohort: list[BaselineSlide], natural: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = measure(cohort, natural)
    monkeypatch.setattr("histotile.strategy.baselines.random_features.BATCH", 7)
    other = measure(cohort[::-1], natural)
    assert one.tile_ids.tolist() == other.tile_ids.tolist()
    assert one.slide_ids.tolist() == other.slide_ids.tolist()
    for stage in one.stages:
        np.testing.assert_allclose(
            one.of_stage(stage.number), other.of_stage(stage.number), atol=5e-3, rtol=2e-3
        )
    changed = measure(cohort, natural, seed=-1)
    assert not np.allclose(changed.features, one.features, atol=0.05)


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit"])
def test_random_weights_and_networks_without_batch_norm(
    cohort: list[BaselineSlide], name: str, embed: Embed
) -> None:
    backbone = Backbone(name=name, weights="none", domain="auto", options={})
    done: list[tuple[int, int]] = []
    baseline = measure_baseline(
        cohort, TASK, backbone, settings(), 1, lambda *counts: done.append(counts)
    )
    assert done[-1][0] == done[-1][1]
    assert done[-1][1] == (128 if name == "test_efficientnet" else 64)
    embedded = embed(cohort[0].tiles, backbone)
    rows = np.searchsorted(embedded.tile_ids, baseline.tile_ids[baseline.slide_ids == "s0"])
    own = baseline.features[baseline.slide_ids == "s0"]
    assert not np.allclose(own, embedded.features[rows], atol=0.05)  # another seed, another net


def test_damaged_tiles_are_left_out(
    cohort: list[BaselineSlide], natural: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    from histotile.slides.slide import UnreadableTile
    from histotile.slides.tile_reader import read_tile

    def read(slide: Any, x: int, y: int, *scale: Any) -> Any:
        if (x, y) == (64, 64):
            raise UnreadableTile("damaged")
        return read_tile(slide, x, y, *scale)

    monkeypatch.setattr("histotile.data.source.read_tile", read)
    baseline = measure(cohort, natural, max_tiles=1000)
    assert len(baseline.features) == len(baseline.tile_ids) == 4 * 31
    assert 9 not in baseline.tile_ids


def test_cohorts_without_labelled_tiles(make_slide: MakeSlide, natural: Backbone) -> None:
    slides = [BaselineSlide("s", "p", make_slide("s", label=[None] * 32))]
    with pytest.raises(HistotileError, match="no tile has a label"):
        measure(slides, natural)
    slides = [BaselineSlide("t", "p", make_slide("t", label=["tumour"] + [None] * 31))]
    with pytest.raises(HistotileError, match="label more tiles"):
        measure(slides, natural)
