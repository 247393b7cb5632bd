from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histotile.config import Synthesize
from histotile.config.yaml_file import read_synthetic
from histotile.errors import HistotileError
from histotile.synthetic.slides.plan import plan_cohort


def make_settings(**changes: object) -> Synthesize:
    standard = read_synthetic(Path(__file__).parents[3] / "config" / "synthetic.yaml").synthesize
    return Synthesize.model_validate({**standard.model_dump(), **changes})


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 30), st.floats(1, 3), st.integers(1, 5), st.integers(0, 99))
def test_patients_have_one_to_three_slides_of_one_label(
    patients: int, each: float, sites: int, seed: int
) -> None:
    wanted = make_settings(slides=int(patients * each), patients=patients, sites=sites, seed=seed)
    slides = plan_cohort(wanted)
    counts = Counter(s.patient_id for s in slides)
    assert len(slides) == wanted.slides and len(counts) == patients
    assert set(counts.values()) <= {1, 2, 3}
    for patient in counts:
        own = [s for s in slides if s.patient_id == patient]
        assert len({(s.label, s.site, s.spec.nuclear_size) for s in own}) == 1
        assert len({s.spec.seed for s in own}) == len(own)
    healthy = {s.patient_id for s in slides if s.label == "healthy"}
    assert abs(2 * len(healthy) - patients) <= 1


def test_sites_are_balanced_unless_confounded() -> None:
    def sites(confounding: float) -> dict[str, Counter[str]]:
        wanted = make_settings(slides=48, patients=48, sites=4, site_label_confounding=confounding)
        slides = plan_cohort(wanted)
        return {
            label: Counter(s.site for s in slides if s.label == label)
            for label in ("healthy", "tumour")
        }

    assert set(sites(0)["healthy"].values()) == set(sites(0)["tumour"].values()) == {6}
    assert not set(sites(1)["healthy"]) & set(sites(1)["tumour"])


def test_syndromes_are_the_scenarios() -> None:
    slides = plan_cohort(make_settings(task="syndrome", slides=16, patients=16))
    assert Counter(s.label for s in slides) == {"healthy": 4, "A": 4, "B": 4, "C": 4}
    assert all(s.label in (s.spec.scenario, "healthy") for s in slides)


def test_effects_can_be_switched_off() -> None:
    slides = plan_cohort(make_settings(site_effect=0, patient_effect=0))
    assert len({(s.spec.site, s.spec.nuclear_size, s.spec.eosin) for s in slides}) == 1


@pytest.mark.parametrize("count", [15, 49])
def test_impossible_numbers_are_refused(count: int) -> None:
    with pytest.raises(HistotileError, match="1 to 3 slides"):
        plan_cohort(make_settings(slides=count, patients=16))
