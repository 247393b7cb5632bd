from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from histotile.config import Decide
from histotile.strategy.entry import Estimate
from histotile.strategy.evidence import Evidence
from histotile.strategy.leakage.checks import AlarmFiles, describe_format, find_alarms
from histotile.strategy.leakage.copied_tiles import PicturedSlide
from histotile.strategy.leakage.near_duplicates import find_duplicates
from histotile.strategy.record import Alarm, Baseline, Similarity, StageScore

PATIENTS = 24
Ring = Callable[..., list[Alarm]]


def similarity(last: float, error: float = 0.02) -> Similarity:
    score = Estimate(value=last, low=last - 1.96 * error, high=last + 1.96 * error)
    stage = StageScore(
        stage=1,
        name="last",
        weights=1,
        score=score,
        random_score=None,
        knn=None,
        logme=None,
    )
    return Similarity(
        verdict="similar",
        basis="measured",
        stages=[stage],
        best_stage=1,
        early_stages=[1],
        shortfall=Estimate(value=0),
        gain=None,
        best_gain=None,
        depth_sufficient=True,
        gain_sufficient=None,
        reasons=[],
    )


def baselines(colour: float, site: float) -> list[Baseline]:
    pairs = (("colour", colour), ("site", site))
    return [Baseline(name=n, score=Estimate(value=v), meaning="") for n, v in pairs]


@pytest.fixture
def clean(make_evidence: Callable[..., Evidence]) -> Evidence:
    """Every other patient is diseased and shows both classes; sites are balanced."""

    def shows(patient: int, label: int) -> bool:
        return label == 0 or patient % 2 == 1

    evidence = make_evidence(patients=PATIENTS, shows=shows)
    rng = np.random.default_rng(0)
    own = 180 + 5 * rng.standard_normal((PATIENTS, 6))
    facts = {
        "patient_ids": [f"patient_{p}" for p in range(PATIENTS)],
        "slide_ids": [f"slide_{p}" for p in range(PATIENTS)],
        "site_names": ["north", "south"],
    }
    return replace(
        evidence,
        slides=evidence.patients,
        sites=evidence.patients // 2 % 2,
        colour=own[evidence.patients].astype(np.float32),
        facts={**evidence.facts, **facts},
    )


@pytest.fixture
def ring(quick_settings: Decide) -> Ring:
    def found(
        evidence: Evidence,
        files: AlarmFiles | None = None,
        colour: float = 0.5,
        site: float = 0.9,
        last: float = 0.9,
    ) -> list[Alarm]:
        chosen = files or AlarmFiles()
        rules = quick_settings.alarms
        return find_alarms(
            evidence, chosen, baselines(colour, site), similarity(last), rules, seed=0
        )

    return found


def pictured(seed: int, name: str, tiles: int = 40) -> PicturedSlide:
    small = np.random.default_rng(seed).integers(0, 256, (tiles, 32, 32), np.uint8)
    return PicturedSlide(name, f"patient of {name}", tiles, lambda: small)


def found_in(slides: list[PicturedSlide]) -> AlarmFiles:
    return AlarmFiles(find_duplicates(slides, 0.85, 0))


def test_a_clean_cohort_of_two_sites_raises_nothing(ring: Ring, clean: Evidence) -> None:
    files = AlarmFiles(
        find_duplicates([pictured(k, f"slide_{k}") for k in range(4)], 0.85, 0),
        {f"slide_{p}": "aperio (.svs)" if p % 4 < 2 else "dicom" for p in range(PATIENTS)},
        {f"slide_{p}": 0.25 if p % 4 < 2 else 0.5 for p in range(PATIENTS)},
    )
    assert ring(clean, files) == []


def test_copied_slides_are_an_error_that_names_them(ring: Ring, clean: Evidence) -> None:
    slides = [pictured(k, f"slide_{k}") for k in range(4)]
    copy = replace(slides[2], slide_id="copy", patient_id="somebody else")
    (alarm,) = ring(clean, found_in([*slides, copy]))
    assert (alarm.level, alarm.name) == ("error", "near_duplicates")
    for word in ("slide_2 (patient of slide_2)", "copy (somebody else)", "under two names", "100%"):
        assert word in alarm.fact
    assert "patient_id" in alarm.remedy


def test_a_rare_near_duplicate_is_a_warning(ring: Ring, clean: Evidence) -> None:
    slides = [pictured(k, f"slide_{k}", 800) for k in range(4)]
    small = slides[0].thumbnails().copy()
    small[7] = slides[1].thumbnails()[3]
    slides[0] = replace(slides[0], thumbnails=lambda: small)
    (alarm,) = ring(clean, found_in(slides))
    assert (alarm.level, alarm.name) == ("warning", "near_duplicates")
    assert alarm.fact.startswith("2 of 3200 tiles (0.06%)")


def test_copies_scattered_over_groups_are_told_from_one_slide_under_two_names(
    ring: Ring, clean: Evidence
) -> None:
    small = pictured(0, "all").thumbnails()
    order = np.random.default_rng(1).permutation(120)
    copies = np.concatenate([small, small[:, ::-1], small.swapaxes(1, 2)])[order]
    parts = [partial(np.array, part) for part in np.split(copies, 10)]
    slides = [PicturedSlide(f"g{k}", f"g{k}", 12, part) for k, part in enumerate(parts)]
    (alarm,) = ring(clean, found_in(slides))
    assert alarm.level == "error" and "40 sources hold these tiles" in alarm.fact
    assert "groups.csv" in alarm.remedy and "one person" not in alarm.remedy


def test_what_was_sought_in_a_sample_is_said() -> None:
    files = found_in([pictured(k, f"slide_{k}") for k in range(2)])
    assert files.notes() == AlarmFiles().notes() == []
    assert files.duplicates is not None
    (note,) = replace(files, duplicates=replace(files.duplicates, searched=60)).notes()
    assert "60 of 80 tiles" in note


def test_confounded_sites_warn_and_features_only_with_them(ring: Ring, clean: Evidence) -> None:
    confounded = replace(clean, sites=clean.patients % 2)
    label, features = ring(confounded)
    assert [label.name, features.name] == ["site_label", "site_features"]
    assert (label.level, features.level) == ("error", "warning")
    assert "every tumour slide comes from site south" in label.fact
    assert "what the network learns may be the site" in label.fact
    assert "no setting mends this" in label.remedy and "preserve_sites" in features.remedy
    assert [alarm.name for alarm in ring(confounded, site=0.55)] == ["site_label"]
    assert ring(clean, site=1.0) == []


def test_unknown_sites_are_no_site(ring: Ring, clean: Evidence) -> None:
    facts = {**clean.facts, "site_names": ["", "south"]}
    assert ring(replace(clean, sites=clean.patients % 2, facts=facts)) == []
    assert ring(replace(clean, sites=None)) == []


@pytest.mark.parametrize(
    ("colour", "last", "rings"),
    [
        (0.95, 0.99, True),  # solves it
        (0.80, 0.81, True),  # as good as the network
        (0.80, 0.90, False),
        (0.62, 0.60, False),  # neither tells anything
    ],
)
def test_colour_is_held_against_the_last_stage(
    ring: Ring, clean: Evidence, colour: float, last: float, rings: bool
) -> None:
    found = ring(clean, colour=colour, last=last)
    assert [alarm.name for alarm in found] == ["colour"] * rings
    assert all(f"{colour:.2f}" in alarm.fact for alarm in found)


def test_background_stained_by_label_warns_whatever_the_probe_says(
    ring: Ring, clean: Evidence
) -> None:
    darker = clean.colour - 40 * (clean.patients % 2 == 1)[:, None].astype(np.float32)
    (alarm,) = ring(replace(clean, colour=darker), colour=0.6)
    assert alarm.name == "colour" and alarm.level == "warning"
    assert "12 diseased" in alarm.fact and "augment.stain" in alarm.remedy


def test_formats_and_scales_that_go_with_the_label_warn(ring: Ring, clean: Evidence) -> None:
    formats = {f"slide_{p}": ("tiff", "svs")[p % 2] for p in range(PATIENTS)}
    mpp = {f"slide_{p}": (0.5, 0.2501, 0.5, 0.2503)[p % 4] for p in range(PATIENTS)}
    found = ring(clean, AlarmFiles(formats=formats, mpp=mpp))
    assert [alarm.name for alarm in found] == ["format_label", "mpp_label"]
    assert "every tumour slide is a file of svs" in found[0].fact
    assert "every tumour slide has 0.25 um/px" in found[1].fact
    few = {name: value for name, value in formats.items() if name in ("slide_0", "slide_1")}
    assert ring(clean, AlarmFiles(formats=few)) == []


def test_errors_stand_first(ring: Ring, clean: Evidence) -> None:
    slides = [pictured(0, "a"), replace(pictured(0, "b"), patient_id="other")]
    formats = {f"slide_{p}": ("tiff", "svs")[p % 2] for p in range(PATIENTS)}
    found = ring(
        replace(clean, sites=clean.patients % 2), replace(found_in(slides), formats=formats)
    )
    assert [alarm.level for alarm in found] == ["error"] * 3 + ["warning"]


def test_formats_are_told_by_vendor_and_suffix() -> None:
    def told(path: str, vendor: str | None) -> str:
        return describe_format({"path": path, "vendor": vendor, "format": "no suffix"})

    assert told("/a.b/one.SVS", "aperio") == "aperio (.svs)"
    assert told("C:\\a\\two.dcm", "dicom") == "dicom (.dcm)"
    assert told("/a.b/three", None) == "no suffix"
