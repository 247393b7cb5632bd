"""What is wrong with settings, in the user's words."""

import doctest
from typing import Any

import pytest
from pydantic import ValidationError

import histotile.config.messages
from histotile.config import Backbone, Config, Labels, Tile
from histotile.config.messages import dotted, explain

LABELS: dict[str, Any] = {
    "source": "slide",
    "names": {},
    "outside": None,
    "positive_overlap": 0.5,
    "negative_overlap": 0.02,
}


def told(section: Any, data: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        section.model_validate(data)
    return [sentence for _, sentence in explain(section, caught.value)]


def test_the_example_holds() -> None:
    assert doctest.testmod(histotile.config.messages).failed == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sorce": "slide"}, "unknown key `sorce`; did you mean `source`?"),
        ({"source": "slides"}, "`source`: 'slides' is none of annotation, slide; did you mean"),
        ({"names": "tumour"}, "`names`: 'tumour' is no mapping"),
        ({"positive_overlap": "0,5"}, "write a decimal point: 0.5"),
        ({"positive_overlap": 7}, "`positive_overlap`: is 7; it must be less than or equal to 1"),
        ({"positive_overlap": None}, "`positive_overlap`: nothing is no number"),
        ({"outside": [0]}, "`outside`: [0] is no text; write it in quotes: '[0]'"),
        ({"negative_overlap": 0.9}, "negative_overlap must be smaller than positive_overlap"),
    ],
)
def test_each_kind_of_mistake_is_told(change: dict[str, Any], words: str) -> None:
    (sentence,) = told(Labels, LABELS | change)
    assert words in sentence


def test_several_mistakes_are_several_sentences() -> None:
    assert len(told(Labels, {**LABELS, "sorce": 1, "positive_overlap": "a", "names": []})) == 3


def test_a_key_of_another_level_is_sent_there() -> None:
    sentences = told(Config, {"tile": None, "tile_px": 224})
    assert any(s.startswith("`tile` is empty: indent its keys (mpp, tile_px") for s in sentences)
    assert any(s.startswith("`tile_px` belongs under `tile`") for s in sentences)
    assert any("`mpp` belongs under" not in s and "`backbone` is missing" in s for s in sentences)


def test_a_section_spelt_otherwise_is_no_key_of_another_level() -> None:
    sentences = told(Config, {"tiles": {"mpp": 0.5}})
    assert "unknown key `tiles`; did you mean `tile`?" in sentences


def test_units_are_taken_off() -> None:
    (sentence,) = [s for s in told(Tile, {"mpp": "0.5 um/px"}) if s.startswith("`mpp`")]
    assert sentence.endswith("write 0.5 alone, without a unit")
    found = Backbone.model_validate({"name": 18, "weights": "x", "domain": "auto", "options": {}})
    assert found.name == "18"  # as it was written


def test_powers_of_ten_are_written_out() -> None:
    sentences = told(Tile, {"tile_px": "2.5e2", "mpp": 1})
    assert "`tile_px`: '2.5e2' is no whole number; write 250" in sentences


def test_yes_and_no_are_no_numbers() -> None:
    sentences = told(Tile, {"mpp": True, "stride_px": False})
    assert {"`mpp`: true is no number", "`stride_px`: false is no number"} <= set(sentences)


def test_names_that_look_the_same_have_one_class() -> None:
    (sentence,) = told(Labels, LABELS | {"names": {"tumor": "tumour", "Tumor": "healthy"}})
    assert "'tumor' is tumour, 'Tumor' is healthy" in sentence
    same = {"tumor": "tumour", "Tumor": "tumour"}
    assert Labels.model_validate(LABELS | {"names": same}).names == same


@pytest.mark.parametrize(
    ("accept", "words"),
    [({"scale-zzz": "because"}, "no id as printed"), ({"scale-24b7fc67": " "}, "has no reason")],
)
def test_findings_are_accepted_by_id_and_reason(accept: dict[str, str], words: str) -> None:
    assert any(s.startswith("`accept`") and words in s for s in told(Config, {"accept": accept}))


def test_places_in_lists_count_from_one() -> None:
    assert dotted(("quality", "exclude", 0)) == "quality.exclude[1]"
