from collections.abc import Callable
from dataclasses import replace

from histotile.reports.facts import CohortFacts
from histotile.reports.provenance import digest_cohort, list_provenance
from histotile.reports.run_facts import RunFacts


def lines_of(facts: CohortFacts) -> dict[str, tuple[str, str | None]]:
    return {term: (value, note) for term, value, note in list_provenance(facts)}


def test_every_source_of_the_numbers_is_named(
    make_cohort: Callable[..., CohortFacts], run: RunFacts
) -> None:
    lines = lines_of(make_cohort(run=run))
    assert lines["Fold table"][0] == "f01d"
    assert lines["Model of fold 1"] == ("bbb1", "linear_probe, histotile 0.1, torch 2.13.0")
    assert lines["Predicted by model"][0] == "resnet18-3f9a (3 slides)"
    assert lines["Seeds"][0] == "split 3, train 7, evaluate 0"
    assert lines["Settings"][0] == "5e771465d16e"
    assert lines["Commit"] == ("c0ffee+", "with changes that are not committed")
    assert "3 of 4 files" in str(lines["Slides"][1])


def test_what_is_unknown_says_so(make_cohort: Callable[..., CohortFacts]) -> None:
    lines = lines_of(make_cohort())
    assert lines["Commit"] == ("unknown", "the code is no checkout of its repository")
    assert "Fold table" not in lines and "Seeds" not in lines


def test_digest_of_the_cohort_follows_every_file(make_cohort: Callable[..., CohortFacts]) -> None:
    facts = make_cohort()
    first = digest_cohort(facts)
    slides = [replace(facts.slides[0], checksum="0" * 64), *facts.slides[1:]]
    assert first is not None and digest_cohort(replace(facts, slides=slides)) != first
    assert digest_cohort(CohortFacts("Nothing")) is None
