from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from histotile.reports.cohort.page import render_cohort_page
from histotile.reports.cohort.throughput import list_speeds, number, reader_words, tell_counts
from histotile.reports.facts import CohortFacts, SlideFacts, summarise_slide
from histotile.reports.slide.page import render_slide_page

Read = Callable[[str], Any]


def timing(**changes: Any) -> dict[str, Any]:
    return {
        "tiles": 120,
        "seconds": 2.5,
        "tiles_per_s": 48.0,
        "start_s": 0.8,
        "computing_share": 0.9,
        "waiting_share": 0.06,
        "decoding_share": 0.21,
        "reading_share": 0.02,
        "reader": "direct",
        "reader_note": "",
        "peak_memory_mb": 410,
        "bottleneck": "network",
        "engine": "openvino",
        "device": "cpu",
        "precision": "float32",
    } | changes


def test_medians_and_counts_are_over_slides_with_tiles() -> None:
    slow = timing(tiles_per_s=10.0, computing_share=0.5, peak_memory_mb=500, reader="openslide")
    empty = timing(tiles=0, tiles_per_s=0.0)
    slides = [{"predict": timing()}, {"predict": slow}, {"predict": timing()}, {"predict": empty}]
    (speed,) = list_speeds(slides)
    assert (speed.stage, speed.slides, speed.tiles) == ("predict", 3, 360)
    assert (speed.tiles_per_s, speed.computing, speed.peak_memory_mb) == (48.0, 0.9, 500)
    assert speed.readers == {"direct": 2, "openslide": 1}
    assert tell_counts(speed.readers) == "direct (2), openslide (1)"
    assert tell_counts(speed.engines) == "openvino on cpu, float32"


def test_stages_come_in_the_order_of_the_workflow_and_only_if_they_ran() -> None:
    both = {"predict": timing(), "embed": timing()}
    assert [speed.stage for speed in list_speeds([both])] == ["embed", "predict"]
    assert list_speeds([]) == list_speeds([{}, {"embed": timing(tiles=0)}]) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "direct"),
        ({"reader": "openslide", "reader_note": "JPEG 2000"}, "openslide: JPEG 2000"),
        ({"reader": ""}, "image files"),
    ],
)
def test_readers_are_named_with_the_reason(changes: dict[str, str], words: str) -> None:
    assert reader_words(timing(**changes)) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.8, "0.8"), (48.26, "48.3"), (99.96, "100"), (1500.4, "1,500"), (2_500_000.0, "2,500,000")],
)
def test_numbers_are_written_out(value: float, words: str) -> None:
    assert number(value) == words


def test_both_pages_tell_speed_reader_and_bottleneck(
    make_slide: Callable[..., SlideFacts], make_cohort: Callable[..., CohortFacts], read: Read
) -> None:
    slow = timing(reader="openslide", reader_note="vendor hamamatsu", bottleneck="decoding")
    slow |= {"tiles": 3_750_000, "seconds": 2500.0, "tiles_per_s": 1500.0, "start_s": 120.0}
    facts = make_slide(timings={"predict": slow})
    page = read(render_slide_page(facts)).text
    for shown in (
        "Tiles per second 1,500 3,750,000 tiles in 2,500 s after a start of 120 s",
        "openvino on cpu, float32",
        "openslide: vendor hamamatsu",
        "computing 90 %, waiting for pixels 6 % readers: decoding 21 %, disk 2 %",
        "Peak memory 410 MB",
        "Bottleneck decoding",
    ):
        assert shown in page
    cohort = replace(make_cohort(), slides=[summarise_slide(facts)])
    text = read(render_cohort_page(cohort)).text
    assert "predict 1 3,750,000 1,500 90 % 6 % 410 MB openvino on cpu, float32" in text
    assert "openslide: vendor hamamatsu decoding" in text


def test_pages_without_tiles_or_timings_say_nothing_of_speed(
    make_slide: Callable[..., SlideFacts], make_cohort: Callable[..., CohortFacts], read: Read
) -> None:
    assert "Tiles per s" not in read(render_cohort_page(make_cohort())).text
    for timings in ({}, {"predict": timing(tiles=0, tiles_per_s=0.0, reader="")}):
        text = read(render_slide_page(make_slide(timings=timings))).text
        assert "Speed of" not in text and "Tiles per second" not in text
