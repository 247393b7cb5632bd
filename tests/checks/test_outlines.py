"""Annotation files that belong to other slides."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from histotile.checks.outlines import check_owners, find_strangers
from histotile.io.cohort import CohortSlide


def slide(name: str, annotation: str | None, file: str | None = None) -> CohortSlide:
    path = Path(file or f"{name}.svs")
    return CohortSlide(name, name, path, annotation=Path(annotation) if annotation else None)


def test_a_file_named_after_another_slide_is_found_however_it_is_written() -> None:
    slides = [slide("S 1", "s2.GEOJSON"), slide("S2", None)]
    ((found, finding),) = find_strangers(slides)
    assert found.slide_id == "S 1"
    assert "S2" in finding.fact and "s2.GEOJSON" in finding.fact


def test_names_of_the_file_or_of_the_slide_are_its_own() -> None:
    slides = [
        slide("S1", "scan7.xml", "scan7.svs"),
        slide("S2", "S2.geojson"),
        slide("S3", "x.xml"),
    ]
    assert find_strangers(slides) == []


def test_one_file_for_two_slides_is_found_for_both() -> None:
    found = find_strangers([slide("S1", "all.geojson"), slide("S2", "all.geojson")])
    assert [one.slide_id for one, _ in found] == ["S1", "S2"]


def test_what_is_accepted_is_doubtful_only() -> None:
    slides = [slide("S1", "S2.geojson"), slide("S2", None)]
    ((_, finding),) = find_strangers(slides)
    (wrong,) = check_owners(slides, {}, "slides.csv")
    (taken,) = check_owners(slides, {finding.id: "sections of one block"}, "slides.csv")
    assert (wrong.level, taken.level) == ("error", "warning")
    assert finding.id in wrong.fact and "sections of one block" in taken.fact


@given(st.lists(st.text("abc12", min_size=1, max_size=4), min_size=1, unique=True))
def test_slides_with_their_own_outlines_are_never_found(names: list[str]) -> None:
    assert find_strangers([slide(name, f"{name}.geojson") for name in names]) == []
