"""Traits that tell the label ring at any size, and where chance may do it, that is said."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from histotile.config import Decide
from histotile.stats.cramers_v import v_interval
from histotile.strategy.evidence import Evidence
from histotile.strategy.leakage.shortcuts import find_shortcuts
from histotile.strategy.record import Alarm
from histotile.strategy.robustness.baselines import _with_label
from histotile.strategy.robustness.caveats import shortcut_notes

Cohort = Callable[..., Evidence]
WORDS = {"scanner": "scanner_label", "file format": "format_label", "mpp": "mpp_label"}


@pytest.fixture
def cohort(make_evidence: Cohort) -> Cohort:
    """Patients by site and label: ("north", 0), ... ; one slide each."""

    def make(*patients: tuple[str, int]) -> Evidence:
        labels = [label for _, label in patients]
        evidence = make_evidence(
            patients=len(patients), shows=lambda patient, label: label == labels[patient]
        )
        names = sorted({site for site, _ in patients})
        sites = np.array([names.index(site) for site, _ in patients])
        facts = {"site_names": names, "slide_ids": [f"s{k}" for k in range(len(patients))]}
        return replace(
            evidence,
            slides=evidence.patients,
            sites=sites[evidence.patients],
            facts={**evidence.facts, **facts},
        )

    return make


def alarms(
    evidence: Evidence,
    settings: Decide,
    traits: Mapping[str, Mapping[str, str]] | None = None,
) -> list[Alarm]:
    found = find_shortcuts(evidence, traits or {}, seed=0)
    told = [each.alarm(evidence.classes, settings.alarms) for each in found]
    return [alarm for alarm in told if alarm is not None]


@pytest.mark.parametrize("each", [1, 2, 3, 5, 12])
def test_perfect_association_is_an_error_at_any_size(
    cohort: Cohort, quick_settings: Decide, each: int
) -> None:
    evidence = cohort(*[("north", 0), ("south", 1)] * each)
    (alarm,) = alarms(evidence, quick_settings)
    assert (alarm.level, alarm.name, alarm.is_leak) == ("error", "site_label", False)
    assert "every tumour slide comes from site south" in alarm.fact


@pytest.mark.parametrize("word", WORDS)
def test_every_kind_of_trait_rings(cohort: Cohort, quick_settings: Decide, word: str) -> None:
    evidence = cohort(*[("one", 0), ("one", 1)] * 3)
    traits = {word: {f"s{k}": "a" if k % 2 else "b" for k in range(6)}}
    (alarm,) = alarms(evidence, quick_settings, traits)
    assert (alarm.level, alarm.name) == ("error", WORDS[word])


def test_several_sites_per_label_are_named(cohort: Cohort, quick_settings: Decide) -> None:
    patients = [("a", 0), ("b", 1), ("c", 1)] * 3
    (alarm,) = alarms(cohort(*patients), quick_settings)
    assert alarm.level == "error"
    assert "every tumour slide comes from site b or c" in alarm.fact


def test_sites_of_one_patient_each_tell_nothing_for_certain(
    cohort: Cohort, quick_settings: Decide
) -> None:
    (alarm,) = alarms(cohort(*[(f"site {k}", k % 2) for k in range(6)]), quick_settings)
    assert alarm.level == "warning"
    assert "cannot be excluded with 6 patients" in alarm.fact and "interval" in alarm.fact


def test_one_site_rings_nothing(cohort: Cohort, quick_settings: Decide) -> None:
    assert not alarms(cohort(("a", 0), ("a", 1), ("a", 1)), quick_settings)


def test_one_label_rings_nothing(cohort: Cohort, quick_settings: Decide) -> None:
    assert not alarms(cohort(("a", 1), ("b", 1), ("b", 1)), quick_settings)


def test_partial_association_of_few_cannot_be_excluded(
    cohort: Cohort, quick_settings: Decide
) -> None:
    patients = [("a", 0)] * 4 + [("b", 1)] * 4 + [("a", 1)]
    (alarm,) = alarms(cohort(*patients), quick_settings)
    assert alarm.level == "warning"
    assert "cannot be excluded" in alarm.fact and "95 % interval" in alarm.fact


@pytest.mark.parametrize(("each", "harmless"), [(2, False), (40, True)])
def test_harmless_is_said_where_it_was_shown(
    cohort: Cohort, quick_settings: Decide, each: int, harmless: bool
) -> None:
    evidence = cohort(*[("a", 0), ("a", 1), ("b", 0), ("b", 1)] * each)
    assert not alarms(evidence, quick_settings)
    (note,) = shortcut_notes(evidence, {}, quick_settings)
    assert ("unrelated" in note) == harmless
    assert ("cannot be excluded" in note) != harmless
    assert ("A high value is harmless then" in _with_label(evidence, quick_settings)) == harmless


def test_interval_shrinks_with_patients_and_holds_the_truth() -> None:
    few, many = v_interval(0.25, (2, 2), 10), v_interval(0.25, (2, 2), 1000)
    assert few[0] < many[0] < 0.5 < many[1] < few[1]
    assert v_interval(0.0, (2, 2), 10)[0] == 0.0
    assert v_interval(1.0, (2, 2), 4)[1] == 1.0


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):  # sites and labels agree in 75 %: V is 0.5
        site = rng.integers(0, 2, 60)
        label = np.where(rng.random(60) < 0.75, site, 1 - site)
        table = np.histogram2d(site, label, bins=2)[0]
        rows, columns = table.sum(1, keepdims=True), table.sum(0, keepdims=True)
        low, high = v_interval(float((table**2 / (rows * columns)).sum() - 1), (2, 2), 60)
        held += low <= 0.5 <= high
    assert held >= 0.9 * 200
