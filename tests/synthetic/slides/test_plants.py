from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from histotile.config import Synthesize
from histotile.config.yaml_file import read_synthetic
from histotile.synthetic.slides.plan import plan_cohort
from histotile.synthetic.slides.plants import SyntheticSlide
from histotile.synthetic.slides.world import World


def plan(**changes: object) -> list[SyntheticSlide]:
    standard = read_synthetic(Path(__file__).parents[3] / "config" / "synthetic.yaml").synthesize
    few = {"slides": 16, "patients": 16, "sites": 2, "side_px": 1024}
    return plan_cohort(Synthesize.model_validate({**standard.model_dump(), **few, **changes}))


def test_copies_show_the_slide_of_another_patient_saved_anew() -> None:
    clean, planted = plan(), plan(duplicate_slides=0.2)
    assert [s.slide_id for s in clean] == [s.slide_id for s in planted]
    seeds = Counter(s.spec.seed for s in planted)
    copied = [seed for seed, times in seeds.items() if times == 2]
    assert len(copied) == 3 and len(planted) == 16
    for seed in copied:
        first, second = (s for s in planted if s.spec.seed == seed)
        assert first.spec == second.spec and first.label == second.label
        assert first.patient_id != second.patient_id
        assert first.flavour != second.flavour and first.quality != second.quality
    rest = [s for s in planted if s.spec.seed not in copied]
    assert all(s in clean for s in rest)


@pytest.mark.parametrize("rate", [0.02, 0.2])
def test_grafts_show_the_donor_at_the_same_place(rate: float) -> None:
    planted = plan(near_duplicate_rate=rate, artefact_rate=0)
    grafted = [s for s in planted if s.spec.graft]
    assert len(grafted) == 4 and {s.label for s in grafted} == {"healthy"}
    for slide in grafted:
        graft = slide.spec.graft
        assert graft is not None
        assert graft.side**2 == pytest.approx(rate * 0.55 * 1024**2, rel=0.3)
        (donor,) = (s for s in planted if s.spec.seed == graft.spec.seed)
        assert donor.patient_id != slide.patient_id and not donor.spec.graft
        window = (graft.x + 8, graft.y + 8, 64, 64)
        ours, theirs = (World(s.spec).region(*window).astype(int) for s in (slide, donor))
        assert abs(ours - theirs).max() < 12


def test_a_graft_changes_nothing_outside_and_every_window_agrees() -> None:
    slide = next(s for s in plan(near_duplicate_rate=0.2, artefact_rate=1) if s.spec.graft)
    graft, world = slide.spec.graft, World(slide.spec)
    assert graft is not None
    bare = World(replace(slide.spec, graft=None))
    x, y, side = graft.x, graft.y, graft.side
    assert np.array_equal(world.region(0, 0, x, 1024), bare.region(0, 0, x, 1024))
    whole = world.region(x - 40, y - 40, side + 80, 120)
    assert np.array_equal(whole[30:90, 20:140], world.region(x - 20, y - 10, 120, 60))
    assert not np.array_equal(whole, bare.region(x - 40, y - 40, side + 80, 120))
    assert not world.blank(x // 256 * 256, y // 256 * 256, 1, 256).any()


def test_shifted_stain_and_formats_follow_the_label() -> None:
    clean = plan()
    planted = plan(stain_label_shift=0.5, format_label_confounding=1)
    for before, after in zip(clean, planted, strict=True):
        stronger = 1.0 if after.label == "healthy" else 1.5
        assert after.spec.haematoxylin == pytest.approx(stronger * before.spec.haematoxylin)
        assert after.spec.eosin == pytest.approx(stronger * before.spec.eosin)
        assert after.flavour == ("tiff" if after.label == "healthy" else "svs")
