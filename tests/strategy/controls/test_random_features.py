"""The control of a cohort: which tiles, whose weights, and what is said of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from histotile.backbones.build import build_network
from histotile.config import Backbone, Control
from histotile.errors import HistotileError
from histotile.io.atomic import write_json
from histotile.io.features import (
    ControlFile,
    FeatureFile,
    read_control,
)
from histotile.strategy.controls.batch_norm_reference import CLEARLY
from histotile.strategy.controls.batch_norm_shift import telling
from histotile.strategy.controls.random_features import (
    ControlSlide,
    measure_control,
)

MakeSlide = Callable[..., Path]
Embed = Callable[..., FeatureFile]
CLASSES = ("healthy", "tumour")


def settings(**changes: Any) -> Control:
    return Control(**({"max_tiles": 64, "ruler": None, "seed": 0} | changes))


@pytest.fixture
def natural() -> Backbone:
    return Backbone(name="auto", weights="shipped:natural", domain="auto", options={})


@pytest.fixture
def cohort(make_slide: MakeSlide) -> list[ControlSlide]:
    """Two patients of one slide and one of two; 16 tiles of each class per slide."""
    found = []
    for number, patient in enumerate(("p0", "p1", "p2", "p2")):
        name = f"s{number}"
        found.append(ControlSlide(name, patient, make_slide(name, seed=number)))
    return found


def measure(cohort: list[ControlSlide], backbone: Backbone, **changes: Any) -> ControlFile:
    return measure_control(cohort, CLASSES, backbone, settings(**changes), 1)


def test_rows_are_the_sample_and_columns_the_stages_of_embed(
    tmp_path: Path, cohort: list[ControlSlide], natural: Backbone, embed: Embed
) -> None:
    control = measure(cohort, natural)
    embedded = embed(cohort[0].tiles, natural)
    assert control.stages == embedded.stages
    assert control.facts["backbone_id"] == embedded.facts["backbone_id"]
    assert control.facts["backbone"] == natural.model_dump()
    assert (control.facts["domain"], control.facts["tile_px"]) == ("natural", 64)
    keys = list(zip(control.slide_ids.tolist(), control.tile_ids.tolist(), strict=True))
    assert keys == sorted(set(keys))
    of_patient = {slide.slide_id: slide.patient_id for slide in cohort}
    patients = np.unique([of_patient[name] for name in control.slide_ids], return_counts=True)[1]
    assert sorted(patients.tolist()) == [21, 21, 22]
    for stage in control.stages:
        values = control.of_stage(stage.number)
        assert values.shape == (64, stage.width)
        assert values.dtype == np.float16
        assert np.isfinite(values).all()
        assert values.std(axis=0).astype(float).mean() > 1e-3
    assert control.facts["head_weights"][-1] == 2 * (control.stages[-1].width + 1)
    control.write(tmp_path / "control.h5")
    assert read_control(tmp_path / "control.h5").facts == control.facts


def test_features_are_of_random_weights(
    cohort: list[ControlSlide], natural: Backbone, embed: Embed
) -> None:
    control = measure(cohort, natural)
    own = control.slide_ids == "s0"
    embedded = embed(cohort[0].tiles, natural)
    rows = np.searchsorted(embedded.tile_ids, control.tile_ids[own])
    assert not np.allclose(control.features[own], embedded.features[rows], atol=0.05)


def test_the_same_each_time_whatever_the_order_and_the_batch(
    cohort: list[ControlSlide], natural: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = measure(cohort, natural)
    monkeypatch.setattr("histotile.strategy.controls.random_features.BATCH", 7)
    other = measure(cohort[::-1], natural)
    assert one.tile_ids.tolist() == other.tile_ids.tolist()
    assert one.slide_ids.tolist() == other.slide_ids.tolist()
    for stage in one.stages:
        np.testing.assert_allclose(
            one.of_stage(stage.number), other.of_stage(stage.number), atol=5e-3, rtol=2e-3
        )
    for a, b in zip(one.bn, other.bn, strict=True):
        assert a.hellinger == pytest.approx(b.hellinger, abs=1e-5)
    changed = measure(cohort, natural, seed=-1)
    assert not np.allclose(changed.features, one.features, atol=0.05)


def test_shift_is_of_the_pretrained_network(cohort: list[ControlSlide], natural: Backbone) -> None:
    control = measure(cohort, natural)
    assert [shift.stage for shift in control.bn] == [stage.number for stage in control.stages]
    assert all(0 < shift.hellinger < 1 for shift in control.bn)
    assert control.ruler is None
    darker = [slide for slide in cohort if slide.patient_id == "p0"]
    assert measure(darker, natural).bn != control.bn


def test_the_ruler_decides_by_the_deep_shift(
    tmp_path: Path, cohort: list[ControlSlide], natural: Backbone
) -> None:
    plain = measure(cohort, natural)
    deep = plain.facts["deep_shift"]
    facts = {"backbone_id": plain.facts["backbone_id"], "tile_px": 64}
    path = tmp_path / "ruler.json"
    for factor, verdict in ((0.9, "different"), (1.1, "similar")):
        write_json(path, {**facts, "anchors": [deep / 9, factor * deep / CLEARLY]})
        found = measure(cohort, natural, ruler=str(path))
        assert found.ruler == verdict
        assert found.facts["ruler_limit"] == pytest.approx(factor * deep)
    write_json(path, {**facts, "backbone_id": "other", "anchors": [1]})
    with pytest.raises(HistotileError, match="is for backbone other"):
        measure(cohort, natural, ruler=str(path))


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit"])
def test_random_weights_and_networks_without_batch_norm(
    cohort: list[ControlSlide], name: str, embed: Embed
) -> None:
    backbone = Backbone(name=name, weights="none", domain="auto", options={})
    done: list[tuple[int, int]] = []
    control = measure_control(
        cohort, CLASSES, backbone, settings(), 1, lambda *counts: done.append(counts)
    )
    assert control.bn == ()
    assert done[-1][0] == done[-1][1]
    assert done[-1][1] == (128 if name == "test_efficientnet" else 64)
    network, _ = build_network(backbone, 2, 64)
    assert not telling(network)
    embedded = embed(cohort[0].tiles, backbone)
    rows = np.searchsorted(embedded.tile_ids, control.tile_ids[control.slide_ids == "s0"])
    own = control.features[control.slide_ids == "s0"]
    assert not np.allclose(own, embedded.features[rows], atol=0.05)  # another seed, another net


def test_damaged_tiles_are_left_out(
    cohort: list[ControlSlide], natural: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    from histotile.slides.slide import UnreadableTile
    from histotile.slides.tile_reader import read_tile

    def read(slide: Any, x: int, y: int, *scale: Any) -> Any:
        if (x, y) == (64, 64):
            raise UnreadableTile("damaged")
        return read_tile(slide, x, y, *scale)

    monkeypatch.setattr("histotile.data.source.read_tile", read)
    control = measure(cohort, natural, max_tiles=1000)
    assert len(control.features) == len(control.tile_ids) == 4 * 31
    assert 9 not in control.tile_ids


def test_cohorts_without_labelled_tiles(make_slide: MakeSlide, natural: Backbone) -> None:
    slides = [ControlSlide("s", "p", make_slide("s", label=[None] * 32))]
    with pytest.raises(HistotileError, match="no tile has a label"):
        measure(slides, natural)
    slides = [ControlSlide("t", "p", make_slide("t", label=["tumour"] + [None] * 31))]
    with pytest.raises(HistotileError, match="label more tiles"):
        measure(slides, natural)
