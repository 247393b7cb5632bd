import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histotile.heatmaps.figure_frame import (
    Caption,
    Legend,
    frame_picture,
    nice_length,
    threshold_text,
)
from histotile.heatmaps.fonts import fitted, font_for, writable
from histotile.tasks.registry import make_task
from histotile.tasks.task import Layer


@pytest.mark.parametrize(
    ("um", "expected"),
    [
        (260, (200, "200 µm")),
        (1000, (1000, "1 mm")),
        (999, (500, "500 µm")),
        (57_000, (50_000, "50 mm")),
        (0.7, (0.5, "0.5 µm")),
    ],
)
def test_scale_bars_are_round_numbers(um: float, expected: tuple[float, str]) -> None:
    length, name = nice_length(um)
    assert length == pytest.approx(expected[0])
    assert name == expected[1]


@settings(deadline=None)
@given(st.floats(0.01, 1e6))
def test_scale_bars_use_much_of_the_room_they_have(um: float) -> None:
    length, _ = nice_length(um)
    assert um * 0.399 < length <= um * (1 + 1e-6)


@pytest.mark.parametrize("um_per_px", [0.5, 3.7, 16.0])
def test_bar_on_the_sheet_is_as_long_as_it_says(um_per_px: float) -> None:
    picture = np.full((300, 1200, 3), 255, np.uint8)
    bar = np.full((256, 3), 200, np.uint8)
    legend = Legend(shown("tumour"), 0.5, bar, um_per_px, True)
    sheet = frame_picture(picture, Caption("s", None, um_per_px), legend)
    length, _ = nice_length(0.24 * sheet.shape[1] * um_per_px)
    dark: np.ndarray = sheet.max(axis=2) < 40
    runs = [_longest(row) for row in dark[-120:]]
    assert max(runs) == pytest.approx(length / um_per_px, abs=1)


def test_thresholds_are_never_rounded() -> None:
    texts = [threshold_text(t) for t in (0, 0.5, 0.004, 0.333, 0.995, 1)]
    assert texts == ["0.00", "0.50", "0.004", "0.333", "0.995", "1.00"]


def shown(name: str) -> Layer:
    return make_task(("healthy", name)).layer(name)


def _longest(row: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def test_words_are_shortened_in_the_middle() -> None:
    font = font_for("a", 20)
    text = "TCGA-CR-7395-01A-01-TS1.0123456789"
    short = fitted(text, font, 200)
    assert font.getlength(short) <= 200
    assert short.startswith("TCGA")
    assert short.endswith("89")
    assert "…" in short
    assert fitted(text, font, 2000) == text


def test_every_script_leaves_a_readable_trace() -> None:
    for text in ("Ågård-Ω", "слайд", "شريحة", "osp_emoji😐"):
        font = font_for(text, 20)
        assert writable(text, font) == text
    usual = font_for("a", 20)
    assert writable("a\U000e0041", usual) in {"a\U000e0041", "aU+E0041"}
    assert writable("中", usual) == "U+4E2D"


def test_control_characters_and_turns_of_direction_are_spelled_out() -> None:
    font = font_for("a", 20)
    assert writable("a\nb\tc", font) == "a b c"
    assert writable("a\x00b\u202ec\ud800", font) == "aU+0000bU+202EcU+D800"


@pytest.mark.parametrize(
    "text", ["a\nb", "\x00\u202e\ud800", "", "😐🧬👩\u200d🔬", "א" * 300, "<b>"]
)
def test_any_text_finds_its_place_on_the_sheet(text: str) -> None:
    picture, bar = np.full((300, 900, 3), 255, np.uint8), np.full((256, 3), 200, np.uint8)
    for is_empty in (False, True):
        legend = Legend(shown(text), 0.5, bar, 1.0, is_empty)
        sheet = frame_picture(picture, Caption(text, text, 1.0, text), legend)
        for edge in (sheet[:4], sheet[-4:], sheet[:, :8], sheet[:, -8:]):
            assert (edge == 255).all()


def test_key_tells_the_colour_of_no_tile_where_there_is_one() -> None:
    picture, bar = np.full((300, 900, 3), 255, np.uint8), np.full((256, 3), 200, np.uint8)
    caption, colour = Caption("s", "m", 1.0), (7, 130, 99)
    told = frame_picture(picture, caption, Legend(shown("c"), 0.5, bar, 1.0, False, no_tile=colour))
    plain = frame_picture(picture, caption, Legend(shown("c"), 0.5, bar, 1.0, False))
    assert (told == colour).all(axis=2).any()
    assert not (plain == colour).all(axis=2).any()
    assert told.shape == plain.shape
