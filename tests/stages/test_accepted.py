"""Findings that the user accepts are shown where they were found, and no others."""

import json
from pathlib import Path

from histotile.io.cohort import Cohort, CohortSlide
from histotile.io.cohort_checks import find_spellings
from histotile.reports.accepted import tell_accepted
from histotile.stages.accepted import find_accepted


def cohort() -> Cohort:
    names = (("s1", "P 1"), ("s2", "p1"))
    slides = [CohortSlide(name, patient, Path(f"{name}.svs")) for name, patient in names]
    return Cohort(tuple(slides), has_patients=True)


def write(results: Path) -> None:
    (results / "inspect").mkdir(parents=True)
    warning = "[scale-0000aaaa] 0.25 by the file, 0.5 by its power: accepted by the user: measured"
    facts = {"slide_id": "s2", "warnings": [warning, "[scale-1111bbbb] another"]}
    (results / "inspect/s2.json").write_text(json.dumps(facts))


def test_findings_are_found_in_the_cohort_and_in_inspections(tmp_path: Path) -> None:
    write(tmp_path)
    (spelling,) = find_spellings(cohort())
    accepted = {spelling.id: "two people", "scale-0000aaaa": "measured", "level-2222cccc": "fine"}
    found = {one.id: one for one in find_accepted(tmp_path, cohort(), accepted, ["s1", "s2"])}
    assert list(found) == list(accepted)
    assert "look the same" in found[spelling.id].facts[0]
    assert found["scale-0000aaaa"].slides == ("s2",)
    assert found["level-2222cccc"].facts == ()


def test_what_nothing_reports_is_told_last(tmp_path: Path) -> None:
    write(tmp_path)
    accepted = {"level-2222cccc": "fine", "scale-0000aaaa": "measured"}
    first, last = tell_accepted(find_accepted(tmp_path, cohort(), accepted, ["s2"]))
    assert "measured" in first and "scale-0000aaaa" in first
    assert last == "accepts level-2222cccc, which nothing reports"


def test_without_accepted_findings_nothing_is_read() -> None:
    assert find_accepted(Path("nowhere"), cohort(), {}, ["s1"]) == []
