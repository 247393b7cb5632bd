"""Names that Snakemake would take for patterns."""

from pathlib import Path

import pytest

from histotile.checks.marks import has_mark, marked_files, marked_settings
from histotile.config.yaml_file import read_config, standard_config
from histotile.io.cohort import CohortSlide


@pytest.mark.parametrize("name", ["{old}/a.svs", "s{0}.tif", "{ a }", "{a,b}.svs", "<results>/a"])
def test_what_snakemake_would_fill_in_is_a_mark(name: str) -> None:
    assert has_mark(name)


@pytest.mark.parametrize("name", ["a{}.svs", "{3F-25}/a", "a<b.svs", "<B>/a", "$x [1]*/{a-b}"])
def test_other_braces_and_angles_are_none(name: str) -> None:
    assert not has_mark(name)


def test_every_column_is_told_once_with_its_rows() -> None:
    slides = [
        CohortSlide("a", "a", Path("{x}/a.svs"), annotation=Path("a{y}.xml"), row=2),
        CohortSlide("b", "b", Path("{x}/b.svs"), corrections=(Path("<z>.xml"),), row=3),
        CohortSlide("c", "c", Path("c.svs"), coordinates=Path("{z}.h5"), row=4),
    ]
    path, annotation, coordinates = marked_files(slides, "slides.csv")
    assert "row 2" in path.fact and "row 3" in path.fact
    assert "a{y}.xml" in annotation.fact and "{z}.h5 (row 4)" in coordinates.fact


def test_folders_of_settings_are_told_by_their_key() -> None:
    config = read_config(standard_config())
    assert marked_settings(config) == []
    odd = config.model_copy(update={"results": "r {new}", "cohort": "<old>/slides.csv"})
    assert {problem.where for problem in marked_settings(odd)} == {"results", "cohort"}
