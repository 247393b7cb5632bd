"""Slides looked at in processes that may die."""

import os
from pathlib import Path
from typing import Any

import pytest

from histotile.checks.forecast.sample import choose, look_at_slide, look_at_slides
from histotile.config import Config
from histotile.config.yaml_file import read_config
from histotile.io.cohort import CohortSlide


@pytest.fixture
def config(repository: Path) -> Config:
    return read_config(repository / "config/config.yaml")


def test_slides_are_chosen_over_all_sizes(tmp_path: Path) -> None:
    slides = []
    for number in range(40):
        path = tmp_path / f"{number}.svs"
        path.write_bytes(b"x" * (number + 1))
        slides.append(CohortSlide(str(number), str(number), path))
    slides.append(CohortSlide("gone", "gone", tmp_path / "gone.svs"))
    chosen = [int(slide.slide_id) for slide in choose(slides)]
    assert len(chosen) == 20 and chosen[0] == 0 and chosen[-1] == 39
    assert [s.slide_id for s in choose(slides[:3])] == ["0", "1", "2"]


def test_a_file_that_is_no_slide_has_a_reason(tmp_path: Path, config: Config) -> None:
    path = tmp_path / "empty.svs"
    path.touch()
    seen = look_at_slide(CohortSlide("e", "e", path), config)
    assert seen.tiles == 0 and seen.reason and "zero bytes" in seen.reason


class Deadly:
    """A path that ends the process it is sent to, as some files end the library that opens them."""

    def __reduce__(self) -> Any:
        return os.abort, ()


def test_a_slide_that_ends_its_process_is_named_and_the_others_go_on(
    tmp_path: Path, config: Config
) -> None:
    deadly: Any = Deadly()
    paths = {"a": tmp_path / "a.svs", "bad": deadly, "c": tmp_path / "c.svs"}
    slides = [CohortSlide(name, name, path) for name, path in paths.items()]
    seen = list(look_at_slides(slides, config, 2))
    assert [one.slide.slide_id for one in seen] == ["a", "bad", "c"]
    assert ["ended the process" in str(one.reason) for one in seen] == [False, True, False]
