from pathlib import Path

import numpy as np
import pytest

from histotile.config import Synthesize
from histotile.config.yaml_file import read_synthetic
from histotile.errors import HistotileError
from histotile.synthetic.slides.plan import plan_cohort
from histotile.synthetic.slides.tile_cohort import TileCohort, draw_tile_cohort
from histotile.synthetic.slides.world import World


def settings(**changes: object) -> Synthesize:
    standard = read_synthetic(Path(__file__).parents[3] / "config" / "synthetic.yaml").synthesize
    few = {"slides": 6, "patients": 4, "sites": 2, "artefact_rate": 0.0}
    return Synthesize.model_validate({**standard.model_dump(), **few, **changes})


def draw(**changes: object) -> TileCohort:
    return draw_tile_cohort(settings(**changes), 10, 96, 0.5)


def test_tiles_are_those_of_the_slides() -> None:
    drawn, planned = draw(), plan_cohort(settings())
    assert drawn.rgb.shape == (60, 96, 96, 3) and drawn.rgb.dtype == np.uint8
    assert drawn.slide_ids == tuple(s.slide_id for s in planned)
    for number, slide in enumerate(planned):
        own = np.flatnonzero(drawn.slides == number)
        assert len(own) == 10
        assert {drawn.patient_ids[p] for p in drawn.patients[own]} == {slide.patient_id}
        assert {drawn.site_ids[s] for s in drawn.sites[own]} == {slide.site}
        assert drawn.labels[own].sum() == (0 if slide.label == "healthy" else 5)
        x, y = drawn.coords[own[0]].tolist()
        true = World(slide.spec).region(x, y, 96, 96).astype(int)
        assert abs(true - drawn.rgb[own[0]]).mean() < 5
    again = draw()
    assert np.array_equal(again.rgb, drawn.rgb) and np.array_equal(again.coords, drawn.coords)


def test_lesion_tiles_differ_from_healthy_ones() -> None:
    easy = draw(mode="easy", site_effect=0)
    grey = easy.rgb.mean(axis=(1, 2, 3))
    assert grey[easy.labels == 1].mean() < grey[easy.labels == 0].mean() - 10


def test_a_copied_slide_gives_copies_of_its_tiles() -> None:
    drawn = draw(slides=4, duplicate_slides=0.25, site_effect=0)
    pairs = [
        (a, b)
        for a in range(4)
        for b in range(a)
        if np.array_equal(drawn.coords[drawn.slides == a], drawn.coords[drawn.slides == b])
    ]
    assert len(pairs) == 1
    ours, theirs = (drawn.rgb[drawn.slides == k].astype(int) for k in pairs[0])
    assert 0 < abs(ours - theirs).mean() < 8
    assert len(set(drawn.flavours[k] for k in pairs[0])) == 2


def test_lesions_alone_balance_the_classes() -> None:
    drawn = draw_tile_cohort(settings(slides=4), 8, 96, 1.0)
    assert np.bincount(drawn.labels).tolist() == [16, 16]


def test_tiles_larger_than_the_slide_are_an_error() -> None:
    with pytest.raises(HistotileError, match="no slide has room"):
        draw_tile_cohort(settings(side_px=256), 4, 512, 0.5)
